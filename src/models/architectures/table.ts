import type { Architecture } from "../architecture.ts";
import { bertArchitecture } from "./bert.ts";
import { llamaArchitecture } from "./llama.ts";

/** Every architecture that is built from a checkpoint. */
const architectures: readonly Architecture[] = [bertArchitecture, llamaArchitecture];

/** The architecture of a `model_type`. */
export const architectureOf = (modelType: string): Architecture | undefined =>
  architectures.find(({ modelTypes }) => modelTypes.includes(modelType));

/** Every `model_type` there is an architecture for. */
export const knownModelTypes: readonly string[] = architectures.flatMap(({ modelTypes }) => modelTypes);
