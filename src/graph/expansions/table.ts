import { attention } from "./attention.ts";
import { classical } from "./classical.ts";
import type { Expansions } from "./expansion.ts";
import { experts } from "./experts.ts";
import { fused } from "./fused.ts";
import { gated } from "./gated.ts";
import { imaging } from "./imaging.ts";
import { indexing } from "./indexing.ts";
import { normalized } from "./normalized.ts";
import { quantized } from "./quantized.ts";
import { recurrent } from "./recurrent.ts";
import { signal } from "./signal.ts";

/**
 * The operators that are made of simpler ones. Their shapes, their float64 values and, where the gradient table says so,
 * their gradients follow from what stands here.
 */
export const expansions = {
  ...normalized,
  ...imaging,
  ...gated,
  ...indexing,
  ...signal,
  ...recurrent,
  ...attention,
  ...fused,
  ...quantized,
  ...experts,
  ...classical,
} as const satisfies Expansions;
