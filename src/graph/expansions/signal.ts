import type { Expansions } from "./expansion.ts";

export const signal = {} as const satisfies Expansions;
