import { bug } from "../base/errors.ts";
import { bodiesOf, capturedBy, cloneAttribute, release, removeOnce } from "./bodies.ts";
import type { Shape } from "./dim.ts";
import { Names } from "./names.ts";
import type { DataType, Tensor } from "./tensor.ts";
import { type Attribute, carryType, type Node, type NodeName, Value } from "./value.ts";

export {
  badNode,
  bodiesOf,
  bodyOf,
  capturedBy,
  cloneAttribute,
  graphsIn,
  readsOf,
  withBodies,
} from "./bodies.ts";
export { type Attribute, type Node, type NodeName, Value } from "./value.ts";

type MutableNode = { -readonly [K in keyof Node]: Node[K] };

/**
 * A directed acyclic graph of operators, in topological order of `nodes`, with names unique over its values.
 *
 * Every edit goes through a method, so that producers, uses and names cannot disagree. A subgraph (body of If, Loop,
 * Scan) is a Graph whose `outer` is the graph that its free names are read from.
 */
export class Graph {
  name: string;
  /** Domain to version; "" is ONNX's main domain. */
  readonly opsets: Map<string, number>;
  readonly metadata = new Map<string, string>();
  readonly outer: Graph | undefined;
  readonly #inputs: Value[] = [];
  readonly #outputs: Value[] = [];
  readonly #initializers = new Set<Value>();
  #nodes: Node[] = [];
  readonly #names: Names;
  #origin: NodeName | undefined;

  constructor(name: string, opsets: Iterable<readonly [string, number]> = [["", 21]], outer?: Graph) {
    this.name = name;
    this.opsets = new Map(opsets);
    this.outer = outer;
    this.#names = new Names(outer ? outer.#names : undefined);
  }
  get inputs(): readonly Value[] {
    return this.#inputs;
  }
  get outputs(): readonly Value[] {
    return this.#outputs;
  }
  /** Values with a constant that belong to the graph, in order of addition. One that is also an input can be overridden. */
  get initializers(): ReadonlySet<Value> {
    return this.#initializers;
  }
  get nodes(): readonly Node[] {
    return this.#nodes;
  }

  /** The value of this name here or in an outer graph. */
  find(name: string): Value | undefined {
    return this.#names.find(name);
  }
  get(name: string): Value {
    return this.find(name) ?? bug(`graph "${this.name}" has no value "${name}"`);
  }
  /** Whether a value is one of this very graph, not of one around it or of a body. */
  owns(value: Value): boolean {
    return this.#names.here(value.name) === value;
  }
  /** Whether a node reads a value, or it is an output of this graph. */
  isRead(value: Value): boolean {
    return value.useList.length > 0 || this.#outputs.includes(value);
  }
  /**
   * A name that no value of this graph, of those around it or of the bodies inside has or had, made from `base`: an open size
   * may be called after a value that is called otherwise by now.
   */
  freshName(base: string): string {
    return this.#names.fresh(base);
  }

  addInput(name: string, dtype?: DataType, shape?: Shape): Value {
    const value = this.#register(new Value(name, dtype, shape));
    this.#inputs.push(value);
    return value;
  }
  addInitializer(name: string, constant: Tensor): Value {
    const value = this.#register(new Value(name, constant.dtype, constant.dims, constant));
    this.#initializers.add(value);
    return value;
  }
  /** Makes a value an output; the same value may not be an output twice. */
  addOutput(value: Value): void {
    if (this.#outputs.includes(value)) bug(`"${value.name}" is already an output`);
    this.#outputs.push(value);
  }
  /** Appends a node, or inserts it before another. `outputs`: names of new values ("" for an absent one). */
  addNode(
    op: string,
    inputs: readonly (Value | undefined)[],
    options: {
      readonly domain?: string;
      readonly name?: string;
      readonly attributes?: Iterable<readonly [string, Attribute]>;
      readonly outputs?: readonly string[];
      readonly before?: Node;
      readonly origin?: NodeName | undefined;
    } = {},
  ): Node {
    const names = options.outputs ?? [this.freshName(op.toLowerCase())];
    const outputs = names.map((name) => (name === "" ? undefined : this.#register(new Value(name))));
    const node: Node = {
      op,
      domain: options.domain ?? "",
      name: options.name ?? "",
      inputs: [...inputs],
      outputs,
      attributes: new Map(options.attributes),
      origin: "origin" in options ? options.origin : this.#standsFor,
    };
    for (const output of outputs) if (output) output.producerNode = node;
    for (const input of inputs) input?.useList.push(node);
    for (const captured of capturedBy(node)) captured.useList.push(node);
    const at = options.before ? this.#nodes.indexOf(options.before) : this.#nodes.length;
    if (at < 0) bug(`the node to insert before is not in graph "${this.name}"`);
    if (at === this.#nodes.length) this.#nodes.push(node);
    else this.#nodes.splice(at, 0, node);
    return node;
  }

  /** Every node that `make` adds, to bodies too, stands in the place of this one, as errors tell. */
  inPlaceOf<T>(node: Node, make: () => T): T {
    const before = this.#origin;
    this.#origin = node.origin ?? { op: node.op, domain: node.domain, name: node.name };
    try {
      return make();
    } finally {
      this.#origin = before;
    }
  }
  /** What the nodes that are added now stand for, here or in a graph around. */
  get #standsFor(): NodeName | undefined {
    let at: Graph = this;
    while (!at.#origin && at.outer) at = at.outer;
    return at.#origin;
  }

  /** Makes one input of a node read another value. */
  setNodeInput(node: Node, index: number, value: Value | undefined): void {
    const inputs = node.inputs as (Value | undefined)[];
    const old = inputs[index];
    if (old) removeOnce(old.useList, node);
    while (inputs.length <= index) inputs.push(undefined);
    inputs[index] = value;
    value?.useList.push(node);
  }
  /** Gives a node an output that it leaves out so far. */
  addNodeOutput(node: Node, index: number, name: string): Value {
    const outputs = node.outputs as (Value | undefined)[];
    if (outputs[index]) bug(`${node.op} "${node.name}" has its output ${index} already`);
    while (outputs.length < index) outputs.push(undefined);
    const value = this.#register(new Value(name));
    value.producerNode = node;
    outputs[index] = value;
    return value;
  }
  setNodeName(node: Node, name: string): void {
    (node as MutableNode).name = name;
  }
  setAttribute(node: Node, key: string, attribute: Attribute | undefined): void {
    const attributes = node.attributes as Map<string, Attribute>;
    if (attribute) attributes.set(key, attribute);
    else attributes.delete(key);
  }
  /** Gives a node another body, made in this graph. */
  setBody(node: Node, key: string, body: Graph): void {
    for (const captured of capturedBy(node)) removeOnce(captured.useList, node);
    const old = node.attributes.get(key);
    if (old?.type === "graph") old.value.discard();
    this.setAttribute(node, key, { type: "graph", value: body });
    for (const captured of capturedBy(node)) captured.useList.push(node);
  }
  /** Lets go of what the nodes of a body read that is not, or no more, the body of a node. */
  discard(): void {
    for (const node of this.#nodes) release(node);
    this.#nodes = [];
  }
  /** Every reader of `from`, and the outputs of the graph, read `to` instead. Reads from inside subgraphs follow too. */
  replaceUses(from: Value, to: Value, options: { readonly outputs?: boolean } = {}): void {
    for (const node of from.consumers) {
      node.inputs.forEach((input, i) => {
        if (input === from) this.setNodeInput(node, i, to);
      });
      for (const body of bodiesOf(node)) body.#replaceOutput(from, to);
      while (from.useList.includes(node)) {
        removeOnce(from.useList, node);
        to.useList.push(node);
      }
    }
    if (options.outputs ?? true) this.#replaceOutput(from, to);
  }
  #replaceOutput(from: Value, to: Value): void {
    const at = this.#outputs.indexOf(from);
    if (at >= 0) this.#outputs[at] = to;
  }
  setOutput(index: number, value: Value): void {
    this.#outputs[index] = value;
  }
  removeOutput(value: Value): void {
    const at = this.#outputs.indexOf(value);
    if (at >= 0) this.#outputs.splice(at, 1);
  }
  /** Removes nodes whose outputs nobody outside the set reads; bug when something still does. */
  removeNodes(nodes: ReadonlySet<Node>): void {
    for (const node of nodes) release(node);
    for (const node of nodes) {
      for (const output of node.outputs) {
        if (!output) continue;
        if (this.isRead(output)) bug(`"${output.name}" is still read`);
        output.producerNode = undefined;
        this.#names.delete(output.name);
      }
    }
    this.#nodes = this.#nodes.filter((node) => !nodes.has(node));
  }
  /** Removes an input or initializer that nobody reads. */
  removeValue(value: Value): void {
    if (this.isRead(value)) bug(`"${value.name}" is still read`);
    this.#initializers.delete(value);
    const at = this.#inputs.indexOf(value);
    if (at >= 0) this.#inputs.splice(at, 1);
    this.#names.delete(value.name);
  }
  /** Makes an initializer of a body one of this graph; `owners` are the nodes around the body, from here inwards. */
  lift(value: Value, body: Graph, owners: readonly Node[]): Value {
    const constant = value.constant ?? bug(`"${value.name}" is no initializer`);
    const { name } = value;
    const made = new Value(name, value.dtype, value.shape, constant);
    body.replaceUses(value, made);
    body.removeValue(value);
    if (this.#names.isInside(name) || this.find(name)) made.name = this.freshName(name);
    this.#register(made);
    this.#initializers.add(made);
    for (const owner of owners) made.useList.push(owner);
    return made;
  }
  /** Gives an initializer another constant of the same or another shape. */
  setConstant(value: Value, constant: Tensor): void {
    value.constant = constant;
    value.dtype = constant.dtype;
    value.shape = constant.dims;
    this.#initializers.add(value);
  }
  /** An initializer becomes an input that must be fed (keeping name, dtype and shape), in place. */
  initializerToInput(value: Value): void {
    this.#initializers.delete(value);
    value.constant = undefined;
    if (!this.#inputs.includes(value)) this.#inputs.push(value);
  }
  /** An input becomes a constant. */
  inputToInitializer(value: Value, constant: Tensor): void {
    const at = this.#inputs.indexOf(value);
    if (at >= 0) this.#inputs.splice(at, 1);
    this.setConstant(value, constant);
  }
  rename(value: Value, name: string): void {
    if (value.name === name) return;
    if (this.find(name)) bug(`the name "${name}" is taken`);
    this.#names.delete(value.name);
    value.name = name;
    this.#names.set(name, value);
  }
  /** Puts the nodes into another topological order. */
  reorder(nodes: readonly Node[]): void {
    if (nodes.length !== this.#nodes.length || new Set(nodes).size !== nodes.length)
      bug("reorder changed the set of nodes");
    this.#nodes = [...nodes];
  }

  /** A deep copy of the structure; tensors are shared. */
  clone(outer: Graph | undefined = this.outer): Graph {
    const copy = new Graph(this.name, this.opsets, outer);
    copy.#names.avoid(this.#names);
    for (const [key, text] of this.metadata) copy.metadata.set(key, text);
    for (const input of this.#inputs) carryType(input, copy.addInput(input.name, input.dtype, input.shape));
    for (const value of this.#initializers) {
      const made = copy.#names.here(value.name) ?? copy.addInitializer(value.name, value.constant!);
      copy.setConstant(made, value.constant!);
      carryType(value, made);
    }
    copy.adopt(this.#nodes);
    for (const output of this.#outputs) copy.addOutput(copy.get(output.name));
    return copy;
  }
  /**
   * Appends copies of another graph's nodes, or inserts them before a node, with the names they have there; what they read
   * is found by name.
   */
  adopt(nodes: Iterable<Node>, options: { readonly before?: Node } = {}): void {
    for (const node of nodes) {
      const made = this.addNode(
        node.op,
        node.inputs.map((input) => input && this.get(input.name)),
        {
          domain: node.domain,
          name: node.name,
          origin: node.origin,
          outputs: node.outputs.map((output) => output?.name ?? ""),
          attributes: [...node.attributes].map(([key, a]) => [key, cloneAttribute(a, this)] as const),
          ...options,
        },
      );
      for (const [i, output] of node.outputs.entries()) if (output) carryType(output, made.outputs[i]!);
    }
  }

  #register(value: Value): Value {
    if (this.#names.here(value.name)) bug(`the name "${value.name}" is taken in graph "${this.name}"`);
    this.#names.set(value.name, value);
    return value;
  }
}
