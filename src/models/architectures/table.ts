import type { Architecture } from "../architecture.ts";
import { albertArchitecture } from "./albert.ts";
import { bertArchitecture } from "./bert.ts";
import { clipArchitectures } from "./clip.ts";
import { convnextArchitecture } from "./convnext.ts";
import { debertaArchitecture } from "./deberta.ts";
import { dinov2Architecture } from "./dinov2.ts";
import { distilbertArchitecture } from "./distilbert.ts";
import { efficientnetArchitecture } from "./efficientnet.ts";
import { electraArchitecture } from "./electra.ts";
import { gemma2Architecture, gemma3Architecture } from "./gemma.ts";
import { gptNeoxArchitecture } from "./gpt-neox.ts";
import { gpt2Architecture } from "./gpt2.ts";
import { llamaArchitecture, mistralArchitecture } from "./llama.ts";
import { mobilenetV2Architecture } from "./mobilenet-v2.ts";
import { modernbertArchitecture } from "./modernbert.ts";
import { mpnetArchitecture } from "./mpnet.ts";
import { olmo2Architecture } from "./olmo2.ts";
import { phi3Architecture } from "./phi3.ts";
import { qwen2Architecture, qwen3Architecture } from "./qwen.ts";
import { resnetArchitecture } from "./resnet.ts";
import { robertaArchitectures } from "./roberta.ts";
import { siglipArchitectures } from "./siglip.ts";
import { swinArchitecture } from "./swin.ts";
import { vitArchitectures } from "./vit.ts";

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
  ...vitArchitectures,
  dinov2Architecture,
  swinArchitecture,
  resnetArchitecture,
  convnextArchitecture,
  mobilenetV2Architecture,
  efficientnetArchitecture,
  ...clipArchitectures,
  ...siglipArchitectures,
  mistralArchitecture,
  qwen2Architecture,
  qwen3Architecture,
  gemma2Architecture,
  gemma3Architecture,
  phi3Architecture,
  olmo2Architecture,
  gpt2Architecture,
  gptNeoxArchitecture,
];

/** The architecture of a `model_type`. */
export const architectureOf = (modelType: string): Architecture | undefined =>
  architectures.find(({ modelTypes }) => modelTypes.includes(modelType));

/** Every `model_type` there is an architecture for. */
export const knownModelTypes: readonly string[] = architectures.flatMap(({ modelTypes }) => modelTypes);
