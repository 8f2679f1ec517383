/** A node of a parsed template, as the library makes them. */
export interface TemplateNode {
  readonly type?: string;
  [field: string]: unknown;
}

/** A piece of a template, as the library cuts it. */
export interface TemplateToken {
  readonly type: string;
  readonly value: string;
}

/** What stands in a block and prints nothing of its own, or is text as it is written. */
const statements: ReadonlySet<string> = new Set([
  "If",
  "For",
  "Set",
  "Macro",
  "Comment",
  "Break",
  "Continue",
  "CallStatement",
  "FilterStatement",
  "StringLiteral",
]);

/**
 * Makes a template print and loop as Jinja does in Python, in place: what is printed is written as Python writes it (None, True,
 * ['a']), a loop goes through the characters of a text, and over what is not there no time. The library does neither.
 *
 * Source: jinja2, `Undefined`, whose `__str__`, `__iter__` and `__len__` are those of something empty.
 */
export function asPython(tree: unknown): void {
  if (typeof tree !== "object" || tree === null) return;
  for (const child of tree instanceof Map ? [...tree].flat() : Object.values(tree)) asPython(child);
  const node = tree as TemplateNode;
  for (const field of ["body", "alternate", "defaultBlock"]) {
    const block = node[field];
    if (Array.isArray(block)) node[field] = (block as TemplateNode[]).map(printed);
  }
  if (node.type !== "For") return;
  const iterable = node["iterable"] as TemplateNode;
  if (iterable.type === "SelectExpression") iterable["lhs"] = filtered(iterable["lhs"], "list");
  else node["iterable"] = filtered(iterable, "list");
}

const printed = (node: TemplateNode): TemplateNode =>
  statements.has(node.type ?? "") ? node : filtered(node, "string");

const filtered = (operand: unknown, name: string): TemplateNode => ({
  type: "FilterExpression",
  operand,
  filter: { type: "Identifier", value: name },
});

/** Tests that compare with something. */
const comparing: ReadonlySet<string> = new Set([
  "eq",
  "equalto",
  "ne",
  "lt",
  "lessthan",
  "le",
  "gt",
  "greaterthan",
  "ge",
  "in",
  "sameas",
  "divisibleby",
]);
/** What a filter is called that says what such a test says. */
export const testFilter = (test: string, isNegated: boolean): string =>
  `${isNegated ? "not " : ""}is ${test}`;

const opens: ReadonlySet<string> = new Set(["OpenParen", "OpenSquareBracket", "OpenCurlyBracket"]);
const closes: ReadonlySet<string> = new Set(["CloseParen", "CloseSquareBracket", "CloseCurlyBracket"]);
const words: ReadonlySet<string> = new Set(["and", "or", "not", "if", "else", "is", "in"]);

/** Writes tests that compare (`x is in y`, `x is divisibleby(2)`) as filters: the library's parser knows no tests with an argument. */
export function testsAsFilters(tokens: readonly TemplateToken[]): readonly TemplateToken[] {
  const made: TemplateToken[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const at = i + (isWord(tokens[i + 1], "not") ? 2 : 1);
    const [test, next] = [tokens[at], tokens[at + 1]];
    const begins =
      next &&
      (opens.has(next.type) ||
        /Literal$/.test(next.type) ||
        (next.type === "Identifier" && !words.has(next.value)));
    if (!isWord(tokens[i], "is") || test?.type !== "Identifier" || !comparing.has(test.value) || !begins) {
      made.push(tokens[i]!);
      continue;
    }
    const end = endOfOperand(tokens, at + 1);
    const inner = testsAsFilters(tokens.slice(at + 1, end));
    made.push(
      { type: "Pipe", value: "|" },
      { type: "Identifier", value: testFilter(test.value, at === i + 2) },
      { type: "OpenParen", value: "(" },
      ...inner,
      { type: "CloseParen", value: ")" },
    );
    i = end - 1;
  }
  return made;
}

const isWord = (token: TemplateToken | undefined, word: string): boolean =>
  token?.type === "Identifier" && token.value === word;

/** Behind a name, a literal or what is in brackets, with its members. */
function endOfOperand(tokens: readonly TemplateToken[], start: number): number {
  let end = start;
  do {
    let depth = 0;
    do {
      const { type } = tokens[end++] ?? { type: "" };
      if (opens.has(type)) depth++;
      if (closes.has(type)) depth--;
    } while (depth > 0 && end < tokens.length);
    while (tokens[end]?.type === "Dot") end += 2;
  } while (tokens[end] && ["OpenSquareBracket", "OpenParen"].includes(tokens[end]!.type));
  return end;
}
