import type { Expansions } from "./expansion.ts";

export const fused = {} as const satisfies Expansions;
