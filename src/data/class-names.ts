/** Names of the classes that whole numbers in a column stand for, by column. */
export type ClassNames = Readonly<Record<string, readonly string[]>>;

/** A column as Hugging Face's datasets describe it, as far as it matters here. */
export interface Feature {
  readonly _type?: string;
  readonly names?: readonly string[];
  readonly feature?: Feature | null;
}
export type Features = Readonly<Record<string, Feature | null>>;

/** The columns that are classes, or lists of classes. */
export const classNamesIn = (features: Features): ClassNames =>
  Object.fromEntries(
    Object.entries(features).flatMap(([column, feature]) => {
      const names = feature?.names ?? feature?.feature?.names;
      return Array.isArray(names) ? [[column, names.map(String)]] : [];
    }),
  );

/** The features in a text of JSON: those of `info` in a Parquet file, or of dataset_info.json. None where it is something else. */
export function featuresIn(json: string): Features {
  try {
    const value = JSON.parse(json) as { readonly info?: { readonly features?: unknown }; features?: unknown };
    const found = value.info?.features ?? value.features;
    return typeof found === "object" && found !== null ? (found as Features) : {};
  } catch {
    return {}; // What another tool wrote under this name is no business of ours.
  }
}
