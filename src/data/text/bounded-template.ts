import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";
import { type Arguments, filterNamed, methodOf, testNamed } from "./template-filters.ts";
import { asPython, type TemplateNode, type TemplateToken, testsAsFilters } from "./template-tree.ts";
import { asValue, isSame, isText, textOf, type Value } from "./template-values.ts";

/** The parts of the library that are used; its own declarations do not resolve under Node's rules. */
interface Scope {
  set(name: string, value: unknown): void;
  lookupVariable(name: string): Value;
}
interface LibraryInterpreter {
  run(program: unknown): { readonly value: string };
  evaluate(statement: unknown, scope: unknown): Value;
}
const Base = Interpreter as unknown as new (scope: Scope) => LibraryInterpreter;

/** Steps that a template may take beside those that long conversations need; a usual one takes a few hundred. */
const freeSteps = 500_000;
/** Characters that count as a step, where a text is made or read. */
const charactersOfStep = 16;
/** Characters that count as a step, where a filter or a method may take a text apart. */
const charactersTakenApart = 4;
/** Steps for an item of a list, which a loop may go through without doing anything. */
const stepsOfItem = 4;

/** A template that is parsed, and that ends. */
export interface BoundedTemplate {
  /** @throws Error for what the template raises, and for one that takes too many steps */
  render(given: Readonly<Record<string, unknown>>): string;
}

/**
 * Parses a Jinja template. A template is a program of whoever made the model: it may loop over a thousand million
 * numbers, or double a list until memory ends, so what it does is counted.
 */
export function boundedTemplate(template: string): BoundedTemplate {
  const tokens = tokenize(template, { lstrip_blocks: true, trim_blocks: true }) as readonly TemplateToken[];
  const program: unknown = parse(testsAsFilters(tokens) as ReturnType<typeof tokenize>);
  asPython(program);
  return {
    render(given) {
      const scope = new Environment() as unknown as Scope;
      const steps = new Steps(freeSteps + 4 * sizeOfInput(given));
      for (const [name, value] of Object.entries({ ...globals(steps), ...given })) scope.set(name, value);
      for (const name of Object.keys(given)) steps.know(scope.lookupVariable(name));
      return new BoundedInterpreter(scope, steps).run(program).value;
    },
  };
}

/** What every template may call: the library's own, but for a range that is counted before it is made. */
const globals = (steps: Steps): Readonly<Record<string, unknown>> => ({
  false: false,
  true: true,
  none: null,
  False: false,
  True: true,
  None: null,
  raise_exception(message: string) {
    throw new Error(message);
  },
  range(start: number, stop?: number, step = 1) {
    const [from, to] = stop === undefined ? [0, start] : [start, stop];
    if (step === 0) throw new Error("range() step must not be zero");
    const length = Math.max(0, Math.ceil((to - from) / step));
    steps.take(stepsOfItem * length);
    return Array.from({ length }, (_, i) => from + i * step);
  },
});

function sizeOfInput(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce<number>((sum, item) => sum + sizeOfInput(item), 1);
}

/** Counts what a template does. */
class Steps {
  #left: number;
  /** Lists and objects of the input, which no template made longer. */
  readonly #known = new WeakSet<object>();

  constructor(most: number) {
    this.#left = most;
  }

  take(count: number): void {
    this.#left -= count;
    if (!(this.#left >= 0)) throw new Error("it does not come to an end within the steps that it is given");
  }

  know(value: Value): void {
    if (typeof value.value !== "object" || value.value === null || this.#known.has(value)) return;
    this.#known.add(value);
    for (const item of itemsOf(value)) this.know(item);
  }

  takeApart(value: Value): void {
    if (isText(value)) this.take(value.value.length / charactersTakenApart);
  }

  /** What a value holds, counted as often as it would be written: a list may hold another a thousand times. */
  takeValue(value: Value): void {
    const { value: held } = value;
    if (typeof held === "string") this.take(1 + held.length / charactersOfStep);
    else this.take(1);
    if (typeof held === "object" && held !== null && !this.#known.has(value))
      for (const item of itemsOf(value)) {
        this.take(stepsOfItem);
        this.takeValue(item);
      }
  }
}

const itemsOf = ({ value }: Value): Iterable<Value> =>
  Array.isArray(value)
    ? (value as Value[])
    : value instanceof Map
      ? (value as Map<unknown, Value>).values()
      : [];

/** The library's interpreter, whose steps are counted, and which reads filters, tests and methods as Jinja does in Python. */
class BoundedInterpreter extends Base {
  readonly #steps: Steps;

  constructor(scope: Scope, steps: Steps) {
    super(scope);
    this.#steps = steps;
  }

  override evaluate(statement: unknown, scope: unknown): Value {
    this.#steps.take(1);
    // A slice has parts that are not there.
    const value =
      (statement ? this.#own(statement as TemplateNode, scope) : undefined) ??
      super.evaluate(statement, scope);
    this.#steps.takeValue(value);
    return value;
  }

  /** What the library computes otherwise than Jinja, or not at all; undefined for all else. */
  #own(node: TemplateNode, scope: unknown): Value | undefined {
    if (node.type === "FilterExpression") {
      const { name, args } = nameAndArguments(node["filter"] as TemplateNode);
      const filter = filterNamed(name);
      if (!filter) return undefined;
      const value = this.evaluate(node["operand"], scope);
      this.#steps.takeApart(value);
      return filter(value, this.#read(args, scope));
    }
    if (node.type === "TestExpression") {
      const name = (node["test"] as TemplateNode)["value"];
      if (name === "callable") return undefined;
      const holds = testNamed(String(name))(this.evaluate(node["operand"], scope), asValue(undefined));
      return asValue(holds !== Boolean(node["negate"]));
    }
    if (node.type === "BinaryExpression") {
      const operator = String((node["operator"] as TemplateNode)["value"]);
      if (!["~", "==", "!="].includes(operator)) return undefined;
      const [left, right] = [this.evaluate(node["left"], scope), this.evaluate(node["right"], scope)];
      return asValue(
        operator === "~" ? textOf(left) + textOf(right) : isSame(left, right) === (operator === "=="),
      );
    }
    const callee = node["callee"] as TemplateNode | undefined;
    if (node.type !== "CallExpression" || callee?.type !== "MemberExpression" || callee["computed"]) return;
    const method = methodOf(
      this.evaluate(callee["object"], scope),
      nameAndArguments(callee["property"]).name,
    );
    if (!method) return undefined;
    const { list } = this.#read(node["args"] as readonly TemplateNode[], scope);
    for (const value of list) this.#steps.takeApart(value);
    return method(list);
  }

  #read(args: readonly TemplateNode[], scope: unknown): Arguments {
    const named = new Map<string, Value>();
    const list: Value[] = [];
    for (const node of args)
      if (node.type === "KeywordArgumentExpression")
        named.set(nameAndArguments(node["key"]).name, this.evaluate(node["value"], scope));
      else list.push(this.evaluate(node, scope));
    return { list, named };
  }
}

/** `trim`, or `trim("x")`. */
function nameAndArguments(given: unknown): { readonly name: string; readonly args: readonly TemplateNode[] } {
  const node = given as TemplateNode;
  if (node.type !== "CallExpression") return { name: String(node["value"]), args: [] };
  return { ...nameAndArguments(node["callee"]), args: node["args"] as readonly TemplateNode[] };
}
