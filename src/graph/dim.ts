/**
 * One size of a shape: a number, or the text of an expression over named symbols such as "batch" or "batch*tokens+1".
 *
 * Equal texts mean equal sizes; different texts may still be equal at run time. The functions here give canonical
 * text: a sum of products, longest products first, factors sorted, the numeric factor of a product in front and the
 * constant last. "/" rounds down; a quotient inside a product stands in parentheses.
 */
export type Dim = number | string;

/** Sizes, outermost first; `undefined` where a value's rank is unknown is written at the value, not here. */
export type Shape = readonly Dim[];

/** coefficient × product of atoms. An atom is a symbol or the text of a quotient that does not divide. */
interface Term {
  readonly coefficient: number;
  readonly atoms: readonly string[];
}
/** Terms with different atoms, leading term first, none with coefficient 0. */
type Polynomial = readonly Term[];

/** The product of dims as one canonical dim. */
export function product(dims: Shape): Dim {
  if (dims.every((dim) => typeof dim === "number")) return dims.reduce((n: number, dim) => n * dim, 1);
  return render(dims.map(parse).reduce(times, constant(1)));
}

/** The sum of dims as one canonical dim. */
export const sum = (dims: Shape): Dim => render(collect(dims.flatMap(parse)));

/** a − b as one canonical dim. */
export const difference = (a: Dim, b: Dim): Dim => render(collect([...parse(a), ...negated(parse(b))]));

/** a / b where b divides a exactly, symbol by symbol, else undefined. */
export function quotient(a: Dim, b: Dim): Dim | undefined {
  const exact = exactQuotient(parse(a), parse(b));
  return exact && render(exact);
}

/** a / b rounded down, as one canonical dim; what divides is taken out of the quotient. b is not 0. */
export const floorQuotient = (a: Dim, b: Dim): Dim =>
  typeof a === "number" && typeof b === "number" ? Math.floor(a / b) : render(rounded(parse(a), parse(b)));

/** a / b rounded up, as one canonical dim. b is not 0. */
export const ceilQuotient = (a: Dim, b: Dim): Dim => floorQuotient(difference(sum([a, b]), 1), b);

/** The same dim with some symbols replaced, canonical again. */
export function substitute(dim: Dim, symbols: ReadonlyMap<string, Dim>): Dim {
  if (typeof dim === "number") return dim;
  const replace = (terms: Polynomial): Polynomial =>
    collect(
      terms.flatMap(({ coefficient, atoms }) => atoms.map(replaceAtom).reduce(times, constant(coefficient))),
    );
  const replaceAtom = (atom: string): Polynomial => {
    const found = symbols.get(atom);
    if (found !== undefined) return parse(found);
    const parts = split(atom);
    return parts ? rounded(replace(parts.numerator), replace(parts.divisor)) : symbol(atom);
  };
  return render(replace(parse(dim)));
}

/** The dim in canonical text; text that is no expression is one symbol. */
export const canonical = (dim: Dim): Dim => (typeof dim === "number" ? dim : render(parse(dim)));

/** The symbols a dim is made of, each once, in order of appearance. */
export const symbolsOf = (dim: Dim): readonly string[] =>
  typeof dim === "number" ? [] : [...new Set(dim.match(/[A-Za-z_][\w.:]*/g) ?? [])];

const isConstant = ({ atoms }: Term): boolean => atoms.length === 0;
const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
const constant = (value: number): Polynomial => (value === 0 ? [] : [{ coefficient: value, atoms: [] }]);
const symbol = (atom: string): Polynomial => [{ coefficient: 1, atoms: [atom] }];
const scaled = (terms: Polynomial, by: number): Polynomial =>
  terms.map((t) => ({ ...t, coefficient: t.coefficient * by }));
const negated = (terms: Polynomial): Polynomial => scaled(terms, -1);

/** Products of more symbols lead; those of equally many are in alphabetical order: an order that products respect. */
function byDegree(a: Term, b: Term): number {
  if (a.atoms.length !== b.atoms.length) return b.atoms.length - a.atoms.length;
  for (let i = 0; i < a.atoms.length; i++)
    if (a.atoms[i] !== b.atoms[i]) return a.atoms[i]! < b.atoms[i]! ? -1 : 1;
  return 0;
}

/** Merges terms of the same atoms and drops zeros. */
function collect(terms: readonly Term[]): Polynomial {
  const merged = new Map<string, Term>();
  for (const { coefficient, atoms } of terms) {
    const key = atoms.join("*");
    merged.set(key, { coefficient: coefficient + (merged.get(key)?.coefficient ?? 0), atoms });
  }
  return [...merged.values()].filter((t) => t.coefficient !== 0).sort(byDegree);
}

const times = (a: Polynomial, b: Polynomial): Polynomial =>
  collect(
    a.flatMap((left) =>
      b.map((right) => ({
        coefficient: left.coefficient * right.coefficient,
        atoms: [...left.atoms, ...right.atoms].sort(),
      })),
    ),
  );

function divideTerm(a: Term, b: Term): Term | undefined {
  const atoms = [...a.atoms];
  for (const atom of b.atoms) {
    const at = atoms.indexOf(atom);
    if (at < 0) return undefined;
    atoms.splice(at, 1);
  }
  return a.coefficient % b.coefficient === 0
    ? { coefficient: a.coefficient / b.coefficient, atoms }
    : undefined;
}

/** Long division; undefined where something is left over. */
function exactQuotient(a: Polynomial, b: Polynomial): Polynomial | undefined {
  const lead = b[0];
  if (!lead) return undefined;
  const result: Term[] = [];
  for (let rest = a; rest.length > 0; ) {
    const term = divideTerm(rest[0]!, lead);
    if (!term) return undefined;
    result.push(term);
    rest = collect([...rest, ...negated(times([term], b))]);
  }
  return collect(result);
}

/** a / b rounded down. */
function rounded(a: Polynomial, b: Polynomial): Polynomial {
  const exact = exactQuotient(a, b);
  if (exact) return exact;
  const divisor = b.length === 1 && isConstant(b[0]!) ? b[0]!.coefficient : undefined;
  if (divisor === undefined) return symbol(`${wrapped(a)}/${wrapped(b)}`);
  return divisor < 0 ? roundedBy(negated(a), -divisor) : roundedBy(a, divisor);
}

/** a / b rounded down, b above 0: what divides is taken out, common factors cancelled, nested quotients merged. */
function roundedBy(a: Polynomial, b: number): Polynomial {
  const whole = a
    .map((t) => ({
      coefficient: isConstant(t)
        ? Math.floor(t.coefficient / b)
        : t.coefficient % b === 0
          ? t.coefficient / b
          : 0,
      atoms: t.atoms,
    }))
    .filter((t) => t.coefficient !== 0);
  const rest = collect([...a, ...scaled(whole, -b)]);
  return collect([...whole, ...properQuotient(rest, b)]);
}

function properQuotient(rest: Polynomial, b: number): Polynomial {
  const terms = rest.filter((t) => !isConstant(t));
  const offset = rest.find(isConstant)?.coefficient ?? 0;
  const [only] = terms;
  if (!only) return [];
  const common = terms.reduce((n, t) => gcd(n, Math.abs(t.coefficient)), b);
  if (common > 1)
    return roundedBy([...scaled(terms, 1 / common), ...constant(Math.floor(offset / common))], b / common);
  const inner =
    terms.length === 1 && only.coefficient === 1 && only.atoms.length === 1 && split(only.atoms[0]!);
  const divisor = inner ? inner.divisor[0]! : undefined;
  if (inner && inner.divisor.length === 1 && isConstant(divisor!)) {
    const size = divisor!.coefficient;
    return roundedBy(collect([...inner.numerator, ...constant(offset * size)]), size * b);
  }
  return symbol(`${wrapped(rest)}/${b}`);
}

function render(terms: Polynomial): Dim {
  if (terms.length === 0) return 0;
  if (terms.length === 1 && isConstant(terms[0]!)) return terms[0]!.coefficient;
  return terms.map((term, i) => renderTerm(term, i === 0)).join("");
}

function renderTerm({ coefficient, atoms }: Term, first: boolean): string {
  const size = Math.abs(coefficient);
  const sign = coefficient < 0 ? "-" : first ? "" : "+";
  if (atoms.length === 0) return `${sign}${size}`;
  if (coefficient === 1 && atoms.length === 1) return sign + atoms[0];
  return (
    sign + [...(size === 1 ? [] : [size]), ...atoms.map((a) => (lastSlash(a) < 0 ? a : `(${a})`))].join("*")
  );
}

/** A polynomial as one side of a quotient. */
function wrapped(terms: Polynomial): string {
  const text = String(render(terms));
  return /^[\w.:]+$/.test(text) ? text : `(${text})`;
}

/** The place of a quotient's "/", outside of parentheses; −1 for a plain symbol. */
function lastSlash(atom: string): number {
  let depth = 0;
  for (let i = atom.length - 1; i >= 0; i--) {
    if (atom[i] === ")") depth++;
    else if (atom[i] === "(") depth--;
    else if (atom[i] === "/" && depth === 0) return i;
  }
  return -1;
}

/** Numerator and divisor of a quotient; undefined for a plain symbol. */
function split(atom: string): { readonly numerator: Polynomial; readonly divisor: Polynomial } | undefined {
  const cut = lastSlash(atom);
  return cut < 0 ? undefined : { numerator: parse(atom.slice(0, cut)), divisor: parse(atom.slice(cut + 1)) };
}

const symbolPattern = /^[A-Za-z_][\w.:]*$/;

function parse(dim: Dim): Polynomial {
  if (typeof dim === "number") return constant(dim);
  if (symbolPattern.test(dim)) return symbol(dim);
  return new Parser(dim).whole() ?? symbol(dim);
}

/** Reads the text of a dim. Each method gives undefined where the text is no expression. */
class Parser {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = text.match(/[A-Za-z_][\w.:]*|\d+|\S/g) ?? [];
  }
  whole(): Polynomial | undefined {
    const value = this.#sum();
    return this.#at === this.#tokens.length ? value : undefined;
  }
  #sum(): Polynomial | undefined {
    let left = this.#product();
    while (left && (this.#next("+") || this.#next("-"))) {
      const minus = this.#tokens[this.#at++] === "-";
      const right = this.#product();
      left = right && collect([...left, ...(minus ? negated(right) : right)]);
    }
    return left;
  }
  #product(): Polynomial | undefined {
    let left = this.#factor();
    while (left && (this.#next("*") || this.#next("/"))) {
      const divide = this.#tokens[this.#at++] === "/";
      const right = this.#factor();
      if (divide && right?.length === 0) return undefined;
      left = right && (divide ? rounded(left, right) : times(left, right));
    }
    return left;
  }
  #factor(): Polynomial | undefined {
    const token = this.#tokens[this.#at++] ?? "";
    if (token === "-") {
      const inner = this.#factor();
      return inner && negated(inner);
    }
    if (token === "(") {
      const inner = this.#sum();
      return this.#tokens[this.#at++] === ")" ? inner : undefined;
    }
    if (/^\d/.test(token)) return constant(Number(token));
    return symbolPattern.test(token) ? symbol(token) : undefined;
  }
  #next(token: string): boolean {
    return this.#tokens[this.#at] === token;
  }
}
