/** The name of a graph input that carries a dropout mask, which the training loop draws; the graph multiplies by it. */
export const dropoutInput = (p: number, name: string): string => `dropout:${p}:${name}`;
