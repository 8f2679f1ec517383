import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** Where the Hub and its cache are, as the environment says it, in the words that Python's huggingface_hub reads. */
export interface HubSettings {
  /** Without a slash at the end: "https://huggingface.co". */
  readonly endpoint: string;
  /** The folder of `models--org--name`. */
  readonly cache: string;
  readonly token: string | undefined;
  readonly isOffline: boolean;
  /** Silence after which a connection counts as cut. */
  readonly timeoutMs: number;
  /** The wait before the second attempt; doubled before each further one. */
  readonly backoffMs: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads HF_ENDPOINT, HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HF_TOKEN, HUGGING_FACE_HUB_TOKEN,
 * HF_TOKEN_PATH, HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE and HF_HUB_DOWNLOAD_TIMEOUT (seconds).
 */
export function hubSettings(env: Environment = process.env): HubSettings {
  const said = (...names: string[]) => names.map((name) => env[name]?.trim()).find((value) => value);
  const home = pathOf(
    said("HF_HOME") ?? join(said("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "huggingface"),
    env,
  );
  const timeout = Number(said("HF_HUB_DOWNLOAD_TIMEOUT") ?? 30);
  return {
    endpoint: (said("HF_ENDPOINT") ?? "https://huggingface.co").replace(/\/+$/, ""),
    cache: pathOf(said("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE") ?? join(home, "hub"), env),
    token:
      said("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") ??
      tokenIn(pathOf(said("HF_TOKEN_PATH") ?? join(home, "token"), env)),
    isOffline: isTrue(said("HF_HUB_OFFLINE") ?? said("TRANSFORMERS_OFFLINE")),
    timeoutMs: 1000 * (timeout > 0 ? timeout : 30),
    backoffMs: 500,
  };
}

const isTrue = (text: string | undefined): boolean => /^(1|on|yes|true)$/i.test(text ?? "");

/** A path with "~" and "$NAME" resolved, as Python does for these. */
const pathOf = (path: string, env: Environment): string =>
  resolve(
    path
      .replace(/^~(?=$|[\\/])/, homedir())
      .replace(/\$(?:\{(\w+)\}|(\w+))/g, (all, long, short) => env[long ?? short] ?? all),
  );

function tokenIn(file: string): string | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return readFileSync(file, "utf8").trim() || undefined;
  } catch {
    return undefined; // A token that may not be read is as good as none; the Hub says what needs one.
  }
}
