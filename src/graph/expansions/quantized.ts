import type { Expansions } from "./expansion.ts";

export const quantized = {} as const satisfies Expansions;
