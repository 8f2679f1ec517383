import type { Expansions } from "./expansion.ts";

export const attention = {} as const satisfies Expansions;
