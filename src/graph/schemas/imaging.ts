import type { Schema } from "./schema.ts";

export const imaging = {} as const satisfies { readonly [op: string]: Schema };
