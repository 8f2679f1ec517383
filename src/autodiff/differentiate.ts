import { bug, DiapasonError, nearest } from "../base/errors.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { product } from "../graph/dim.ts";
import { inferShapes } from "../graph/infer.ts";
import type { Graph, Node, Value } from "../graph/ir.ts";
import { bindSymbols } from "../graph/passes/bind-symbols.ts";
import { removeDead } from "../graph/passes/remove-dead.ts";
import { backpropagate } from "./backpropagate.ts";
import { freeActivationsEarly } from "./order.ts";
import { expandOnPath, gradientPath, parametersBelow, refuseUnreached } from "./path.ts";
import { isFloat } from "./rule.ts";

export interface DifferentiateOptions {
  /** Name of a scalar float value. */
  readonly loss: string;
  /** Names of float initializers or inputs. */
  readonly parameters: readonly string[];
  /** Sizes for symbols of the graph's shapes, as { batch: 32 }: more sizes known make a faster backward pass. */
  readonly symbols?: { readonly [symbol: string]: number };
}

export interface Differentiated {
  /** A copy with the backward pass: each parameter is an input, each gradient an output. */
  readonly graph: Graph;
  readonly loss: string;
  /** Parameter to the name of the output that holds its gradient, of the parameter's shape. */
  readonly gradients: ReadonlyMap<string, string>;
}

/**
 * Appends to a copy of a graph what computes the gradient of its loss with respect to some parameters.
 *
 * Only the path between those parameters and the loss is gone back: layers below the lowest of them get no node. Sums
 * over several uses and over broadcast axes are made here, so that rules need not. Gradient outputs are called
 * `<parameter>.grad`. The graph is to be normalised.
 * @throws autodiff/no-gradient, autodiff/no-path, autodiff/bad-loss, autodiff/bad-parameter, autodiff/unknown-size
 */
export function differentiate(source: Graph, options: DifferentiateOptions): Differentiated {
  const graph = source.clone();
  bindSymbols(graph, options.symbols ?? {});
  const parameters = [...new Set(options.parameters)].map((name) => parameterOf(graph, name));
  // before shapes are inferred and rules read constants: what moves is none
  for (const parameter of parameters) if (parameter.constant) graph.initializerToInput(parameter);
  inferShapes(graph);
  lossOf(graph, options.loss);
  expandOnPath(graph, [options.loss], parameters);
  const loss = graph.get(options.loss);
  const path = gradientPath(graph, [loss], parameters);
  refuseUnreached(path, loss, parameters);
  const forward = new Set(graph.nodes);
  const g = new GraphBuilder(graph);
  const seeds = new Map([[loss, g.ones(loss.shape as readonly number[], loss)]]);
  const gradientOf = backpropagate(g, path, seeds, (node) => parametersBelow(node, parameters));
  const named = new Map<string, string>();
  for (const parameter of parameters) {
    // a body may read a parameter for an output that the loss does not read
    const gradient = gradientOf(parameter) ?? g.zerosLike(parameter);
    named.set(parameter.name, nameGradient(g, parameter, gradient, forward));
  }
  removeDead(graph);
  freeActivationsEarly(graph);
  return { graph, loss: loss.name, gradients: named };
}

function lossOf(graph: Graph, name: string): Value {
  const loss = graph.find(name);
  if (loss && isFloat(loss) && loss.shape && product(loss.shape) === 1) return loss;
  const found = loss
    ? `is ${loss.dtype ?? "of unknown type"} [${loss.shape?.join(", ") ?? "?"}]`
    : "is not in the graph";
  throw new DiapasonError(
    "autodiff/bad-loss",
    `The loss "${name}" ${found}; expected is one float number.`,
    "Name a scalar, for example the mean of the losses of a batch.",
  );
}

function parameterOf(graph: Graph, name: string): Value {
  const value = graph.find(name);
  const isSource = value && value.producer === undefined;
  if (value && isSource && isFloat(value)) return value;
  const candidates = [...graph.initializers, ...graph.inputs].filter(isFloat).map((v) => v.name);
  const near = value ? undefined : nearest(name, candidates);
  throw new DiapasonError(
    "autodiff/bad-parameter",
    value
      ? `"${name}" is ${isSource ? `of type ${value.dtype}` : `computed by ${value.producer!.op}`}; expected is a float initializer or input.`
      : `The graph has no value "${name}".`,
    near ? `Write "${near}".` : "Name initializers or inputs of a float type.",
  );
}

/** Makes a gradient an output of its own with the parameter's name. */
function nameGradient(
  g: GraphBuilder,
  parameter: Value,
  gradient: Value,
  forward: ReadonlySet<Node>,
): string {
  const { graph } = g;
  const wanted = `${parameter.name}.grad`;
  const name = gradient.name === wanted ? wanted : graph.freshName(wanted);
  const isOwn = gradient.producer && !forward.has(gradient.producer) && !graph.outputs.includes(gradient);
  const output = isOwn ? gradient : graph.addNode("Identity", [gradient]).outputs[0]!;
  graph.rename(output, name);
  output.dtype ??= parameter.dtype ?? bug(`the parameter "${parameter.name}" has no type`);
  output.shape = parameter.shape;
  graph.addOutput(output);
  return name;
}
