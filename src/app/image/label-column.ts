import { DiapasonError } from "../../base/errors.ts";

/** The column that says what images are. @throws app/bad-option for several: an image is of one class */
export function labelColumnOf(given: string | readonly string[] | undefined): string | undefined {
  const [column, ...others] = [given ?? []].flat();
  if (others.length === 0) return column;
  throw new DiapasonError(
    "app/bad-option",
    `labelColumn names ${others.length + 1} columns; an image is of one class.`,
    "Name the column that holds the class.",
  );
}
