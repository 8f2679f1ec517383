import { type Graph, type Node, readsOf, type Value } from "../graph/ir.ts";
import { groupByName, type NamedParameter, pathOf } from "./block-names.ts";
import type { Block, Parameter } from "./model.ts";

/** A parameter with its place: how many nodes lie between the input and its first use. */
interface Placed extends NamedParameter {
  readonly depth: number;
  /** Place of the first use among the nodes: decides between equal depths. */
  readonly order: number;
}
interface Group {
  name: string;
  readonly members: Placed[];
}

/** Blocks that a graph is cut into when names tell nothing. */
const blocksByDepth = 12;

/**
 * The blocks of a model: its parameters in ordered groups, from the input end to the head. Each parameter is in one.
 *
 * Groups come from the names of parameters, or of the nodes that read them; where those show no repetition, from
 * depth, cut where a single tensor carries everything that follows. What comes before the first group is "stem", the
 * classifier is "head", and what lies between groups joins the one before it.
 * `head`: names of the classifier's parameters. `buffers`: running statistics, which go with their layer.
 */
export function findBlocks(
  graph: Graph,
  parameters: readonly Parameter[],
  options: { readonly head?: ReadonlySet<string>; readonly buffers?: readonly Value[] } = {},
): Block[] {
  const head = options.head ?? new Set<string>();
  const depths = depthOfNodes(graph);
  const order = new Map(graph.nodes.map((node, i) => [node, i]));
  const placed = parameters
    .map((parameter) => place(parameter, depths, order))
    .sort((a, b) => a.depth - b.depth || a.order - b.order);
  const body = placed.filter(({ name }) => !head.has(name));
  const named = groupByName(placed);
  const groups = named ? groupsFromNames(body, named) : groupsFromDepth(graph, body, depths);
  const last = placed.filter(({ name }) => head.has(name));
  if (last.length > 0) groups.push({ name: "head", members: last });
  return withBuffers(distinct(groups), graph, options.buffers ?? []);
}

/**
 * Neighbouring blocks in groups, from the input end, the head alone in the last: what gradual thawing counts.
 *
 * Without `count`, blocks of one stage ("layer3.0", "layer3.1") go together where the names show 2 to 6 stages, else
 * there are four groups of equal size beside the head.
 */
export function blockGroups(blocks: readonly Block[], count?: number): readonly (readonly Block[])[] {
  const body = blocks.at(-1)?.name === "head" ? blocks.slice(0, -1) : blocks;
  const head = blocks.slice(body.length);
  const stages = byStage(body);
  const wanted = Math.min(Math.max(1, (count ?? 4 + head.length) - head.length), body.length);
  const natural = count === undefined ? stages.length >= 2 && stages.length <= 6 : stages.length === wanted;
  const groups = natural
    ? stages
    : Array.from({ length: wanted }, (_, i) =>
        body.slice(Math.round((i * body.length) / wanted), Math.round(((i + 1) * body.length) / wanted)),
      );
  return [...groups.filter((group) => group.length > 0), ...(head.length > 0 ? [head] : [])];
}

/** Runs of blocks whose names are equal up to their last number; a stem goes with the first run. */
function byStage(blocks: readonly Block[]): Block[][] {
  const stages: { name: string; blocks: Block[] }[] = [];
  for (const block of blocks) {
    const name = block.name.replace(/[._]?\d+$/, "");
    const stage = stages.at(-1);
    if (stage && (stage.name === name || stage.name === "stem")) {
      stage.name = name;
      stage.blocks.push(block);
    } else stages.push({ name, blocks: [block] });
  }
  return stages.map((stage) => stage.blocks);
}

/** Longest path from the inputs to each node, in nodes. */
function depthOfNodes(graph: Graph): Map<Node, number> {
  const depths = new Map<Node, number>();
  for (const node of graph.nodes) {
    let depth = 0;
    for (const { producer } of readsOf(node))
      if (producer) depth = Math.max(depth, (depths.get(producer) ?? 0) + 1);
    depths.set(node, depth);
  }
  return depths;
}

/** Where a parameter is first used. Nodes that only reshape a constant are looked through. */
function place(
  parameter: Parameter,
  depths: ReadonlyMap<Node, number>,
  order: ReadonlyMap<Node, number>,
): Placed {
  const users: Node[] = [];
  const open = [...parameter.value.consumers];
  for (let node = open.pop(); node; node = open.pop()) {
    const readsOnlyConstants = readsOf(node).every(({ constant }) => constant);
    if (readsOnlyConstants) for (const output of node.outputs) open.push(...(output?.consumers ?? []));
    else users.push(node);
  }
  const depthOf = (node: Node) => depths.get(node) ?? 0;
  const first = users.reduce<Node | undefined>((a, b) => (a && depthOf(a) <= depthOf(b) ? a : b), undefined);
  const path = pathOf(parameter.name, first?.name ?? "") ?? "";
  return {
    name: parameter.name,
    path,
    isMatrix: parameter.decays,
    depth: first ? depthOf(first) : 0,
    order: first ? (order.get(first) ?? 0) : 0,
  };
}

/** Groups in order of their first use; parameters without one join the group before them, or the stem. */
function groupsFromNames(body: readonly Placed[], groupOf: ReadonlyMap<string, string>): Group[] {
  const groups = new Map<string, Group>();
  const stem: Group = { name: "stem", members: [] };
  let current = stem;
  for (const parameter of body) {
    const name = groupOf.get(parameter.name);
    if (name !== undefined) {
      current = groups.get(name) ?? { name, members: [] };
      groups.set(name, current);
    }
    current.members.push(parameter);
  }
  return withoutBareVectors([stem, ...groups.values()]);
}

/** A group without a matrix (a normalisation counted on its own) joins the one before it. */
function withoutBareVectors(groups: readonly Group[]): Group[] {
  const result: Group[] = [];
  for (const group of groups) {
    if (group.members.length === 0) continue;
    const before = result.at(-1);
    if (before && !group.members.some((member) => member.isMatrix)) before.members.push(...group.members);
    else result.push({ name: group.name, members: [...group.members] });
  }
  return result;
}

/** At most `blocksByDepth` groups, cut where one tensor carries everything; only a very long one is cut elsewhere. */
function groupsFromDepth(graph: Graph, body: readonly Placed[], depths: ReadonlyMap<Node, number>): Group[] {
  if (body.length === 0) return [];
  const cuts = narrowDepths(graph, depths);
  let sections: Placed[][] = [];
  let section: Placed[] = [];
  for (const parameter of body) {
    const hasMatrix = section.some((member) => member.isMatrix);
    const previous = section.at(-1);
    const cut =
      previous !== undefined && cuts.some((depth) => depth >= previous.depth && depth < parameter.depth);
    if (cut && hasMatrix && parameter.isMatrix) {
      sections.push(section);
      section = [];
    }
    section.push(parameter);
  }
  sections.push(section);
  const even = Math.max(1, body.filter((member) => member.isMatrix).length / blocksByDepth);
  sections = sections.flatMap((members) => splitLong(members, even));
  const count = Math.min(blocksByDepth, sections.length);
  return Array.from({ length: count }, (_, i) => {
    const from = Math.round((i * sections.length) / count);
    const to = Math.round(((i + 1) * sections.length) / count);
    return { name: i === 0 && count > 1 ? "stem" : `part${i}`, members: sections.slice(from, to).flat() };
  });
}

/** A section without a cut that is over four times as long as an even share, in parts of about that share. */
function splitLong(members: readonly Placed[], evenShare: number): Placed[][] {
  const matrices = members.filter((member) => member.isMatrix).length;
  if (matrices <= 4 * evenShare) return [[...members]];
  const count = Math.round(matrices / evenShare);
  const parts: Placed[][] = Array.from({ length: count }, () => []);
  let seen = 0;
  for (const member of members) {
    if (member.isMatrix) seen++;
    parts[Math.floor((Math.max(0, seen - 1) * count) / matrices)]!.push(member);
  }
  return parts;
}

/**
 * Depths after which a single value that depends on an input is still to be read.
 *
 * An input counts from its first reader on, so that a mask read only near the end does not hide the cuts before it.
 */
function narrowDepths(graph: Graph, depths: ReadonlyMap<Node, number>): number[] {
  const deepest = Math.max(0, ...depths.values());
  const change = new Int32Array(deepest + 3);
  const live = (value: Value, from: number) => {
    const reads = value.consumers.map((reader) => depths.get(reader) ?? from);
    const to = graph.outputs.includes(value) ? deepest + 1 : Math.max(from, ...reads);
    change[from]! += 1;
    change[to]! -= 1;
  };
  const active = new Set<Value>();
  for (const input of graph.inputs) {
    if (input.constant || input.consumers.length === 0) continue;
    active.add(input);
    live(input, Math.min(...input.consumers.map((reader) => depths.get(reader) ?? 0)));
  }
  for (const node of graph.nodes) {
    if (!readsOf(node).some((value) => active.has(value))) continue;
    for (const output of node.outputs) {
      if (!output) continue;
      active.add(output);
      live(output, depths.get(node)!);
    }
  }
  const narrow: number[] = [];
  let count = 0;
  for (let depth = 0; depth <= deepest; depth++) {
    count += change[depth]!;
    if (count === 1) narrow.push(depth);
  }
  return narrow;
}

/** Names made unique: a second "stem" or "head" gets a number. */
function distinct(groups: readonly Group[]): Group[] {
  const used = new Set<string>();
  return groups.map(({ name, members }) => {
    let unique = name;
    for (let i = 2; used.has(unique); i++) unique = `${name}_${i}`;
    used.add(unique);
    return { name: unique, members };
  });
}

/** Running statistics go with the scale of their normalisation, else with the last block. */
function withBuffers(groups: readonly Group[], graph: Graph, buffers: readonly Value[]): Block[] {
  const blockOf = new Map<string, string>();
  for (const group of groups) for (const member of group.members) blockOf.set(member.name, group.name);
  const homes = new Map<string, string[]>();
  let current = groups[0]?.name ?? "";
  const wanted = new Set(buffers);
  for (const node of graph.nodes) {
    const reads = readsOf(node);
    const owner = reads.find(({ name }) => blockOf.has(name));
    if (owner) current = blockOf.get(owner.name)!;
    for (const value of reads)
      if (wanted.delete(value)) homes.set(current, [...(homes.get(current) ?? []), value.name]);
  }
  return groups.map(({ name, members }) => ({
    name,
    parameters: members.map((member) => member.name),
    buffers: homes.get(name) ?? [],
  }));
}
