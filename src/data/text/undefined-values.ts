/** A node of a parsed template, as the library makes them. */
interface TemplateNode {
  readonly type?: string;
  [field: string]: unknown;
}

/** Filters that read what is not there as an empty text, or an empty list. */
const emptyText = ["trim", "string", "length", "upper", "lower", "title", "capitalize"];
const emptyList = ["list", "join", "selectattr", "rejectattr", "map"];

/**
 * Makes a template read what is not there as Jinja does in Python, in place: a loop over it runs no time, and filters find an
 * empty text or list. The library throws instead.
 *
 * Source: jinja2, `Undefined`, whose `__str__`, `__iter__` and `__len__` are those of something empty.
 */
export function readUndefined(tree: unknown): void {
  if (typeof tree !== "object" || tree === null) return;
  for (const child of tree instanceof Map ? [...tree].flat() : Object.values(tree)) readUndefined(child);
  const node = tree as TemplateNode;
  if (node.type === "For") {
    const iterable = node["iterable"] as TemplateNode;
    if (iterable.type === "SelectExpression") iterable["lhs"] = orEmpty(iterable["lhs"], list);
    else node["iterable"] = orEmpty(iterable, list);
  }
  if (node.type !== "FilterExpression") return;
  const filter = node["filter"] as TemplateNode;
  const name =
    filter.type === "CallExpression" ? (filter["callee"] as TemplateNode)["value"] : filter["value"];
  if (emptyText.includes(String(name))) node["operand"] = orEmpty(node["operand"], text);
  if (emptyList.includes(String(name))) node["operand"] = orEmpty(node["operand"], list);
}

const list: TemplateNode = { type: "ArrayLiteral", value: [] };
const text: TemplateNode = { type: "StringLiteral", value: "" };

/** `operand | default(empty)`. */
const orEmpty = (operand: unknown, empty: TemplateNode): TemplateNode => ({
  type: "FilterExpression",
  operand,
  filter: { type: "CallExpression", callee: { type: "Identifier", value: "default" }, args: [empty] },
});
