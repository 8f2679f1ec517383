import type { Schema } from "./schema.ts";

export const fused = {} as const satisfies { readonly [op: string]: Schema };
