import type { Architecture } from "../architecture.ts";
import { albertArchitecture } from "./albert.ts";
import { bertArchitecture } from "./bert.ts";
import { debertaArchitecture } from "./deberta.ts";
import { distilbertArchitecture } from "./distilbert.ts";
import { electraArchitecture } from "./electra.ts";
import { llamaArchitecture } from "./llama.ts";
import { modernbertArchitecture } from "./modernbert.ts";
import { mpnetArchitecture } from "./mpnet.ts";
import { robertaArchitectures } from "./roberta.ts";

/** Every architecture that is built from a checkpoint. */
const architectures: readonly Architecture[] = [
  bertArchitecture,
  ...robertaArchitectures,
  distilbertArchitecture,
  mpnetArchitecture,
  electraArchitecture,
  debertaArchitecture,
  albertArchitecture,
  modernbertArchitecture,
  llamaArchitecture,
];

/** The architecture of a `model_type`. */
export const architectureOf = (modelType: string): Architecture | undefined =>
  architectures.find(({ modelTypes }) => modelTypes.includes(modelType));

/** Every `model_type` there is an architecture for. */
export const knownModelTypes: readonly string[] = architectures.flatMap(({ modelTypes }) => modelTypes);
