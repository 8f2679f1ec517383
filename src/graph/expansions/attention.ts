import { attentionMicrosoft } from "./attention-microsoft.ts";
import type { Expansions } from "./expansion.ts";
import { rotary } from "./rotary.ts";

export const attention = { ...attentionMicrosoft, ...rotary } as const satisfies Expansions;
