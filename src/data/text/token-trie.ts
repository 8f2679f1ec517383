/**
 * A trie over UTF-16 units in two flat arrays: a quarter of a million pieces take some 20 MB, and looking one up allocates
 * nothing. Edges lie in a hash table with open addressing.
 */
export class TokenTrie {
  #nodes: Int32Array = new Int32Array(1 << 12).fill(-1);
  #units: Uint16Array = new Uint16Array(1 << 12);
  #targets: Int32Array = new Int32Array(1 << 12);
  #edges = 0;
  #values: number[] = [-1];

  /** Adds a text; the first of equal ones keeps its value. `value`: 0 or above. */
  add(text: string, value: number): void {
    let node = 0;
    for (let i = 0; i < text.length; i++) node = this.#edge(node, text.charCodeAt(i));
    if (this.#values[node] === -1) this.#values[node] = value;
  }

  /** The node behind an edge, or −1. The root is 0. */
  step(node: number, unit: number): number {
    const place = this.#find(node, unit);
    return this.#nodes[place] === -1 ? -1 : this.#targets[place]!;
  }

  /** The value of the text that ends at a node, or −1. */
  valueAt(node: number): number {
    return this.#values[node]!;
  }

  #find(node: number, unit: number): number {
    const mask = this.#nodes.length - 1;
    let place = Math.imul(Math.imul(node, 0x9e3779b1) ^ unit, 0x85ebca6b);
    place = (place ^ (place >>> 15)) & mask;
    while (this.#nodes[place] !== -1 && !(this.#nodes[place] === node && this.#units[place] === unit))
      place = (place + 1) & mask;
    return place;
  }

  #edge(node: number, unit: number): number {
    let place = this.#find(node, unit);
    if (this.#nodes[place] !== -1) return this.#targets[place]!;
    if (2 * (this.#edges + 1) > this.#nodes.length) {
      this.#grow();
      place = this.#find(node, unit);
    }
    this.#edges++;
    this.#nodes[place] = node;
    this.#units[place] = unit;
    this.#targets[place] = this.#values.push(-1) - 1;
    return this.#targets[place]!;
  }

  #grow(): void {
    const [nodes, units, targets] = [this.#nodes, this.#units, this.#targets];
    this.#nodes = new Int32Array(2 * nodes.length).fill(-1);
    this.#units = new Uint16Array(2 * nodes.length);
    this.#targets = new Int32Array(2 * nodes.length);
    for (let i = 0; i < nodes.length; i++) {
      if (nodes[i] === -1) continue;
      const place = this.#find(nodes[i]!, units[i]!);
      this.#nodes[place] = nodes[i]!;
      this.#units[place] = units[i]!;
      this.#targets[place] = targets[i]!;
    }
  }
}
