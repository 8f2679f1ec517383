import type { Schema } from "./schema.ts";

export const recurrent = {} as const satisfies { readonly [op: string]: Schema };
