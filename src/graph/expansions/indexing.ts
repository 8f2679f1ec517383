import type { Expansions } from "./expansion.ts";

export const indexing = {} as const satisfies Expansions;
