import type { Expansions } from "./expansion.ts";

export const recurrent = {} as const satisfies Expansions;
