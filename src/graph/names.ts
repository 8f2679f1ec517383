import type { Value } from "./value.ts";

/** The names of a graph's values, which are unique over it and hide none of a graph around it. */
export class Names {
  readonly #outer: Names | undefined;
  readonly #values = new Map<string, Value>();
  /** How often a name occurs in the bodies inside the outermost graph; no new name of a graph around them may hide one. */
  readonly #inner: Map<string, number>;
  /** Every name that a value of the outermost graph or of a body inside has or had. */
  readonly #given: Set<string>;
  #fresh = 0;

  constructor(outer: Names | undefined) {
    this.#outer = outer;
    this.#inner = outer ? outer.#inner : new Map();
    this.#given = outer ? outer.#given : new Set();
  }
  /** The value of this name here or in a graph around. */
  find(name: string): Value | undefined {
    return this.#values.get(name) ?? this.#outer?.find(name);
  }
  here(name: string): Value | undefined {
    return this.#values.get(name);
  }
  /** Whether a body inside the outermost graph has a value of this name. */
  isInside(name: string): boolean {
    return (this.#inner.get(name) ?? 0) > 0;
  }
  /** A name that no value of this graph, of those around it or of the bodies inside has or had, made from `base`. */
  fresh(base: string): string {
    if (base !== "" && !this.#given.has(base)) return base;
    let name: string;
    do name = `${base}_${++this.#fresh}`;
    while (this.#given.has(name));
    return name;
  }
  set(name: string, value: Value): void {
    this.#values.set(name, value);
    this.#given.add(name);
    this.#count(name, 1);
  }
  delete(name: string): void {
    this.#values.delete(name);
    this.#count(name, -1);
  }
  /** No fresh name is one that those had. */
  avoid(others: Names): void {
    for (const name of others.#given) this.#given.add(name);
  }
  #count(name: string, by: number): void {
    if (this.#outer) this.#inner.set(name, (this.#inner.get(name) ?? 0) + by);
  }
}
