import type { Schema } from "./schema.ts";

export const quantized = {} as const satisfies { readonly [op: string]: Schema };
