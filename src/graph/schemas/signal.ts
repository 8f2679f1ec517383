import type { Schema } from "./schema.ts";

export const signal = {} as const satisfies { readonly [op: string]: Schema };
