import { z } from "zod";
import { DiapasonError } from "../../base/errors.ts";
import { count } from "./config-fields.ts";

const ratio = z.number().positive();

const isOfType = (
  given: { readonly rope_type?: unknown; readonly type?: unknown },
  types: readonly string[],
): boolean => types.includes(String(given.rope_type ?? given.type));

/** How far apart the angles of rotary positions are, in all spellings of a config. */
const scaling = z
  .looseObject({
    rope_type: z.enum(["default", "linear", "dynamic", "llama3", "yarn", "longrope", "su"]).nullish(),
    type: z.enum(["default", "linear", "dynamic", "llama3", "yarn", "longrope", "su"]).nullish(),
    rope_theta: ratio.nullish(),
    partial_rotary_factor: z.number().gt(0).max(1).nullish(),
    factor: ratio.nullish(),
    attention_factor: ratio.nullish(),
    original_max_position_embeddings: ratio.nullish(),
    low_freq_factor: ratio.nullish(),
    high_freq_factor: ratio.nullish(),
    beta_fast: ratio.nullish(),
    beta_slow: ratio.nullish(),
    mscale: z.number().nullish(),
    mscale_all_dim: z.number().nullish(),
    truncate: z.boolean().nullish(),
    short_factor: z.array(ratio).nullish(),
    long_factor: z.array(ratio).nullish(),
  })
  .refine((given) => !isOfType(given, ["longrope", "su"]) || (given.short_factor && given.long_factor), {
    path: ["long_factor"],
    message: "longrope needs short_factor and long_factor, one number for each pair",
  })
  .refine((given) => !isOfType(given, ["linear", "dynamic", "llama3"]) || given.factor, {
    path: ["factor"],
    message: "angles of this type need one",
  });
type Scaling = z.output<typeof scaling>;

const layerKind = z.enum(["full_attention", "sliding_attention"]);
type LayerKind = z.output<typeof layerKind>;

/** Angles of each kind of layer, of models whose layers differ. */
export const ropeOfKinds = z.partialRecord(layerKind, scaling.nullish());
type RopeOfKinds = z.output<typeof ropeOfKinds>;

/** One set of fields, or one for each kind of layer. */
const ropeParameters = z.looseObject({}).transform((given, context): Scaling | RopeOfKinds => {
  const isByKind = Object.values(given).some(
    (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  );
  const parsed = (isByKind ? ropeOfKinds : scaling).safeParse(given);
  if (parsed.success) return parsed.data;
  for (const { path, message } of parsed.error.issues) context.addIssue({ code: "custom", path, message });
  return z.NEVER;
});

/** Fields of a config that say how tokens are turned by their places. */
export const ropeFields = {
  rope_theta: ratio.nullish(),
  partial_rotary_factor: z.number().gt(0).max(1).nullish(),
  max_position_embeddings: count.default(2048),
  original_max_position_embeddings: ratio.nullish(),
  rope_scaling: scaling.nullish(),
  rope_parameters: ropeParameters.nullish(),
};

/** What a config says of rotary positions. */
export interface RopeConfig {
  readonly rope_theta?: number | null | undefined;
  readonly partial_rotary_factor?: number | null | undefined;
  readonly max_position_embeddings: number;
  readonly original_max_position_embeddings?: number | null | undefined;
  readonly rope_scaling?: Scaling | null | undefined;
  readonly rope_parameters?: Scaling | RopeOfKinds | null | undefined;
}

/** Angles of a head: the frequency of each pair, and what cosines and sines are multiplied by. */
export interface Rope {
  readonly frequencies: readonly number[];
  readonly scale: number;
  /** What frequencies are where the longest text of a batch has more than `after` tokens. */
  readonly beyond?: RopeBeyond;
}

/**
 * Other frequencies, or those of before times stretchᵉ: stretch is factor · tokens / after − (factor − 1), and e the exponent of
 * the pair.
 */
export type RopeBeyond = { readonly after: number } & (
  | { readonly frequencies: readonly number[] }
  | { readonly factor: number; readonly exponents: readonly number[] }
);

interface RopeTask {
  /** Elements of a head that are turned. */
  readonly size: number;
  readonly base: number;
  readonly given: Scaling;
  readonly factor: number;
  /** Tokens that the model was pretrained for, before its context was made longer. */
  readonly original: number;
  /** Tokens that the config allows. */
  readonly most: number;
}

const plain = ({ size, base }: Pick<RopeTask, "size" | "base">): number[] =>
  Array.from({ length: size / 2 }, (_, i) => base ** ((-2 * i) / size));

/** One row a `rope_type`. Sources: transformers' ROPE_INIT_FUNCTIONS, and the papers they name. */
const ropes: { readonly [T in NonNullable<Scaling["rope_type"]>]: (task: RopeTask) => Rope } = {
  default: (task) => ({ frequencies: plain(task), scale: 1 }),
  linear: (task) => ({ frequencies: plain(task).map((f) => f / task.factor), scale: 1 }),
  // The base grows with the tokens beyond those that the config allows. Each frequency is a power of it.
  dynamic: (task) => {
    const { size, factor, most } = task;
    const exponents = plain(task).map((_, i) => (i === 0 ? 0 : (-2 * i) / (size - 2)));
    return { frequencies: plain(task), scale: 1, beyond: { after: most, factor, exponents } };
  },
  llama3: ({ given, factor, original, ...task }) => {
    const low = given.low_freq_factor ?? 1;
    const high = given.high_freq_factor ?? 4;
    const frequencies = plain(task).map((f) => {
      const turns = (original * f) / (2 * Math.PI);
      if (turns < low) return f / factor;
      if (turns > high) return f;
      const smooth = (turns - low) / (high - low);
      return ((1 - smooth) * f) / factor + smooth * f;
    });
    return { frequencies, scale: 1 };
  },
  yarn: (task) => {
    const { size, base, given, factor, original } = task;
    const mscale = (by: number, scale = 1) => (by <= 1 ? 1 : 0.1 * scale * Math.log(by) + 1);
    const scale =
      given.attention_factor ??
      (given.mscale && given.mscale_all_dim
        ? mscale(factor, given.mscale) / mscale(factor, given.mscale_all_dim)
        : mscale(factor));
    const place = (turns: number) =>
      (size * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(base));
    const isWhole = given.truncate ?? true;
    const [from, to] = [place(given.beta_fast ?? 32), place(given.beta_slow ?? 1)];
    const low = Math.max(isWhole ? Math.floor(from) : from, 0);
    const high = Math.min(isWhole ? Math.ceil(to) : to, size - 1);
    const frequencies = plain(task).map((f, i) => {
      const ramp = Math.min(1, Math.max(0, (i - low) / (high === low ? 0.001 : high - low)));
      return (f / factor) * ramp + f * (1 - ramp);
    });
    return { frequencies, scale };
  },
  // One set of factors for texts within the length that the model was pretrained for, one for longer ones.
  longrope: (task) => {
    const { given, factor, original } = task;
    const scale =
      given.attention_factor ?? (factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original)));
    const divided = (by: readonly number[] | null | undefined): number[] => {
      const usual = plain(task);
      if (by?.length !== usual.length)
        throw new DiapasonError(
          "models/bad-config",
          `config.json has ${by?.length ?? 0} numbers in short_factor or long_factor; a head has ${usual.length} pairs that are turned.`,
          "Check that config.json is the model's own.",
        );
      return usual.map((f, i) => f / by[i]!);
    };
    const beyond = { after: original, frequencies: divided(given.long_factor) };
    return { frequencies: divided(given.short_factor), scale, beyond };
  },
  su: (task) => ropes.longrope(task),
};

/**
 * The angles of a head of `size` elements.
 *
 * `kind`: of models whose layers differ. `base`: where the config gives none.
 */
export function ropeOf(
  config: RopeConfig,
  size: number,
  kind: LayerKind = "full_attention",
  base = 10_000,
): Rope {
  const given: Scaling = config.rope_scaling ?? ofKind(config.rope_parameters, kind) ?? {};
  const share = given.partial_rotary_factor ?? config.partial_rotary_factor ?? 1;
  const original =
    config.original_max_position_embeddings ??
    given.original_max_position_embeddings ??
    config.max_position_embeddings;
  return ropes[given.rope_type ?? given.type ?? "default"]({
    size: Math.floor(size * share),
    base: given.rope_theta ?? config.rope_theta ?? base,
    given,
    factor: given.factor ?? config.max_position_embeddings / original,
    original,
    most: config.max_position_embeddings,
  });
}

/** The fields of a kind of layer, where a config has them by kind; else the same for all. */
function ofKind(parameters: RopeConfig["rope_parameters"], kind: LayerKind): Scaling | null | undefined {
  const isByKind = (given: object): given is RopeOfKinds => layerKind.options.some((name) => name in given);
  return parameters && isByKind(parameters) ? parameters[kind] : parameters;
}
