import type { Schema } from "./schema.ts";

export const attention = {} as const satisfies { readonly [op: string]: Schema };
