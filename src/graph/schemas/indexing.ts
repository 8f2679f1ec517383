import type { Schema } from "./schema.ts";

export const indexing = {} as const satisfies { readonly [op: string]: Schema };
