import { z } from "zod";
import { DiapasonError } from "../../base/errors.ts";

/** A whole number from 1 to `most`. What is no such number is not handed on to checks of several fields. */
const whole = (most: number) => z.int().min(1, { abort: true }).max(most, { abort: true });

/** A size of a network, such as a width or a vocabulary: far beyond any that exists, and such that a product of two is exact. */
export const count = whole(2 ** 24);

/** How often a part of a network is built: a graph of more layers than anybody has is not begun. */
export const layerCount = whole(4096);

/** Height or width of images, in pixels. */
export const imageSide = whole(2 ** 14);

/** A config some of whose fields may go by other names: what these say is said of the fields. */
export const withAliases = <T extends z.ZodType>(aliases: Readonly<Record<string, string>>, config: T) =>
  z.preprocess((given) => {
    if (typeof given !== "object" || given === null) return given;
    const found = Object.entries(aliases).filter(([alias]) => alias in given);
    return {
      ...given,
      ...Object.fromEntries(found.map(([alias, field]) => [field, given[alias as keyof typeof given]])),
    };
  }, config);

/** A number by which sizes or counts of layers are multiplied. */
export const factor = z.number().positive().max(1024);

/**
 * Width of a head of attention. `keyHeads`: heads of keys and values, each of which serves as many of the queries'.
 * @throws models/bad-config where heads do not divide the width, or each other
 */
export function headSize(width: number, heads: number, keyHeads = heads): number {
  if (width % heads === 0 && heads % keyHeads === 0) return width / heads;
  throw new DiapasonError(
    "models/bad-config",
    width % heads === 0
      ? `config.json makes ${heads} heads of attention share ${keyHeads} heads of keys and values, which is no whole number of heads each.`
      : `config.json makes ${heads} heads of attention of a width of ${width}, which is no whole number for each.`,
    "Check that config.json is the model's own.",
  );
}
