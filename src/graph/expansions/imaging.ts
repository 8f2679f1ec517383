import type { Expansions } from "./expansion.ts";

export const imaging = {} as const satisfies Expansions;
