/** How frozen weights of linear layers are held while training. */
export const frozenKinds = ["float32", "int8", "int4", "nf4"] as const;
export type FrozenKind = (typeof frozenKinds)[number];
