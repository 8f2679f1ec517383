import { setTimeout as sleep } from "node:timers/promises";
import { DiapasonError } from "../../base/errors.ts";
import type { RepoKind } from "./repo-kind.ts";
import type { HubSettings } from "./settings.node.ts";

/** What a request is about, for what is said when it fails. */
export interface About {
  readonly kind: RepoKind;
  /** "org/name" */
  readonly name: string;
  readonly revision: string;
  readonly purpose: "download" | "upload";
}

/** Attempts without an answer before giving up. */
export const mostAttempts = 5;

/** An answer that says to ask less often: nothing was done. */
const tooMany = 429;
/** Answers that another attempt may better. */
const passing = new Set([408, tooMany, 500, 502, 503, 504]);

/**
 * A `fetch` for the Hub: with the token where the request goes to the Hub itself (not to a store it names), tried again
 * where that may help, and with an error of ours for every answer that is none.
 *
 * `accepted`: statuses that the caller wants to see.
 * @throws models/hub-offline, models/hub-unreachable, models/hub-denied, models/hub-not-found, models/hub-no-revision,
 * models/hub-answer
 */
export function hubFetch(
  settings: HubSettings,
  about: About,
  {
    signal,
    accepted = [],
  }: { readonly signal?: AbortSignal | undefined; readonly accepted?: readonly number[] } = {},
): typeof fetch {
  return async (input, init) => {
    if (settings.isOffline) throw offline(about);
    const url = String(input instanceof Request ? input.url : input);
    const headers = new Headers(init?.headers);
    if (url.startsWith(`${settings.endpoint}/`)) {
      headers.set("User-Agent", "diapason");
      if (settings.token) headers.set("Authorization", `Bearer ${settings.token}`);
      else headers.delete("Authorization");
    }
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      const answer = await attemptOf(url, { ...init, headers }, settings, signal).catch((cause: unknown) => {
        signal?.throwIfAborted();
        return unreachable(settings, cause);
      });
      const isFailure = answer instanceof DiapasonError;
      if (!isFailure && (answer.ok || accepted.includes(answer.status))) return answer;
      const status = isFailure ? undefined : answer.status;
      if (attempt === mostAttempts || !mayRepeat(init, status))
        throw isFailure ? answer : await mistakeOf(answer, settings, about);
      const asked = isFailure ? Number.NaN : secondsAsked(answer.headers);
      if (!isFailure) await answer.body?.cancel();
      await pause(settings, attempt, asked, signal);
    }
  };
}

/**
 * Whether another attempt may better a request. What only reads or puts the same in the same place may be asked again after any
 * passing failure; what changes something only where the server says that it did nothing yet. `status`: undefined where no
 * answer came.
 */
function mayRepeat({ method = "GET", body }: RequestInit = {}, status: number | undefined): boolean {
  const isSpent = body !== undefined && body !== null && typeof body !== "string" && !(body instanceof Blob);
  if (isSpent) return false;
  if (["GET", "HEAD", "PUT"].includes(method)) return status === undefined || passing.has(status);
  return status === tooMany;
}

/** How long a server that is asked too much wants to be left alone; NaN where it does not say. */
function secondsAsked(headers: Headers): number {
  const after = headers.get("Retry-After");
  if (after !== null) return Number(after);
  // The Hub's own: "api";r=0;t=55
  return Number(/;\s*t=(\d+)/.exec(headers.get("RateLimit") ?? "")?.[1] ?? Number.NaN);
}

/** The wait before attempt number `attempt` + 1, doubled each time, or the seconds that the server asks for (at most a minute). */
export async function pause(
  { backoffMs }: HubSettings,
  attempt: number,
  askedSeconds: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const ms = askedSeconds > 0 ? Math.min(60, askedSeconds) * 1000 : backoffMs * 2 ** (attempt - 1);
  await sleep(ms, undefined, signal && { signal }).catch(() => signal?.throwIfAborted());
}

/** One request; its answer must begin within the time. */
async function attemptOf(
  url: string,
  init: RequestInit,
  { timeoutMs }: HubSettings,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error(`no answer for ${timeoutMs / 1000} s`)), timeoutMs);
  // An upload takes as long as it takes.
  const watched = init.body ? [] : [late.signal];
  const signals = [...watched, ...(signal ? [signal] : []), ...(init.signal ? [init.signal] : [])];
  try {
    return await fetch(url, { ...init, signal: AbortSignal.any(signals) });
  } finally {
    clearTimeout(timer);
  }
}

/** A failure to connect, or a connection that was cut. */
export const unreachable = ({ endpoint }: HubSettings, cause: unknown): DiapasonError =>
  new DiapasonError(
    "models/hub-unreachable",
    `${endpoint} cannot be reached (${reasonOf(cause)}).`,
    `Check the connection and try again: what has been downloaded is kept. HF_ENDPOINT names another server.${proxyHint()}`,
    cause,
  );

/** Node goes past proxies unless it is told to use them. */
function proxyHint(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const name = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].find(
    (one) => env[one],
  );
  if (name === undefined || env["NODE_USE_ENV_PROXY"]) return "";
  return ` ${name} is set: Node 24 and later goes by it where NODE_USE_ENV_PROXY=1 is set too, older ones do not.`;
}

/** What a failed fetch says is in its cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return String(cause);
  return (cause as NodeJS.ErrnoException).code ?? (cause.message || cause.name);
}

const offline = ({ kind, name, purpose }: About): DiapasonError =>
  new DiapasonError(
    "models/hub-offline",
    `"${name}" cannot be ${purpose}ed: HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) forbids to ask the Hub.`,
    `Unset HF_HUB_OFFLINE, or name a ${kind.noun} that is in the cache or in a folder.`,
  );

/** What an answer of the Hub means. Its own words are kept. */
async function mistakeOf(answer: Response, settings: HubSettings, about: About): Promise<DiapasonError> {
  const code = answer.headers.get("X-Error-Code");
  const said = answer.headers.get("X-Error-Message") ?? messageIn(await answer.text().catch(() => ""));
  const words = said ? ` It says: ${said.replace(/\.?$/, ".")}` : "";
  const { noun } = about.kind;
  const page = `${settings.endpoint}/${about.kind.pages}${about.name}`;
  const { token } = settings;
  if (code === "GatedRepo" || /gated|restricted|awaiting a review/i.test(said))
    return new DiapasonError(
      "models/hub-denied",
      `"${about.name}" is only for those who have accepted its conditions.${words}`,
      token
        ? `Accept them at ${page} with the account of your token.`
        : `Accept them at ${page}, and set HF_TOKEN to a token of your account.`,
    );
  if (code === "RevisionNotFound" || /invalid rev/i.test(said))
    return new DiapasonError(
      "models/hub-no-revision",
      `"${about.name}" has no branch, tag or commit "${about.revision}".`,
      `See those it has at ${page}/refs, or leave "@${about.revision}" out.`,
    );
  if (answer.status === 401 && token)
    return new DiapasonError(
      "models/hub-denied",
      `${settings.endpoint} does not accept the token for "${about.name}".${words}`,
      `Set HF_TOKEN to a token that is valid, from ${settings.endpoint}/settings/tokens.`,
    );
  if (answer.status === 401 || answer.status === 404)
    return new DiapasonError(
      "models/hub-not-found",
      `There is no ${noun} "${about.name}" at ${settings.endpoint}, or it is not public.`,
      token
        ? "Check the spelling, and that your token may read it."
        : `Check the spelling. For a private ${noun} set HF_TOKEN to a token that may read it.`,
    );
  if (answer.status === 403)
    return new DiapasonError(
      "models/hub-denied",
      `${settings.endpoint} forbids to ${about.purpose} "${about.name}".${words}`,
      about.purpose === "upload"
        ? `Set HF_TOKEN to a token with the right to write, from ${settings.endpoint}/settings/tokens.`
        : "Set HF_TOKEN to a token that may read it.",
    );
  return new DiapasonError(
    "models/hub-answer",
    `${settings.endpoint} answers ${answer.status} about "${about.name}".${words}`,
    answer.status === tooMany
      ? `Wait a while and try again${token ? "" : "; with HF_TOKEN set the Hub allows more"}.`
      : "Try again later.",
  );
}

function messageIn(text: string): string {
  try {
    const { error, message } = JSON.parse(text) as Record<string, unknown>;
    return typeof error === "string" ? error : typeof message === "string" ? message : "";
  } catch {
    return text.startsWith("<") ? "" : text.slice(0, 200).trim();
  }
}
