import { availableParallelism } from "node:os";
import { JobThread } from "../../base/job-thread.node.ts";
import { workerUrl } from "../../base/worker-url.node.ts";
import type {
  EncodeOptions,
  Encoding,
  TextInput,
  TextTokenizer,
  ThreadedTokenizer,
  TokenizerFiles,
} from "./tokenizer.ts";

/** What a thread is asked: texts to encode. */
export interface EncodeJob {
  readonly texts: readonly TextInput[];
  readonly options: Omit<EncodeOptions, "pair">;
}

/** Encodings of a job one after another; `lengths`: tokens of each. */
export interface EncodedTexts {
  readonly ids: Int32Array;
  readonly typeIds: Uint8Array;
  readonly lengths: Int32Array;
  readonly truncated: Uint8Array;
}

/** Fewer characters than this are encoded sooner than a thread has started. */
const worthThread = 200_000;
/** Tokens of encoded texts that are kept, so that texts that come again (before and after a run) are not encoded again. */
const keptTokens = 16_000_000;
/** Characters of a job: small enough that threads end together. */
const jobCharacters = 100_000;

const worker = workerUrl(import.meta.url, "./tokenizer-worker.node.js");

/** Adds threads to a tokenizer. They start when first needed and keep the process alive only while they work. */
export function threadTokenizer(tokenizer: TextTokenizer, files: TokenizerFiles): ThreadedTokenizer {
  const threads: JobThread<EncodeJob, EncodedTexts>[] = [];
  const most = Math.max(1, Math.min(4, availableParallelism() - 1));
  const kept = new Map<string, Encoding>();
  let room = keptTokens;
  const encodeFresh = async (texts: readonly TextInput[], options: Omit<EncodeOptions, "pair">) => {
    const jobs = cutJobs(texts, options);
    if (jobs.reduce((sum, { characters }) => sum + characters, 0) < worthThread)
      return encodeJob(tokenizer, { texts, options });
    while (threads.length < Math.min(most, jobs.length)) threads.push(new JobThread(worker, files));
    let next = 0;
    const results: (readonly Encoding[])[] = [];
    await Promise.all(
      threads.map(async (thread) => {
        while (next < jobs.length) {
          const place = next++;
          results[place] = unpack(await thread.run(jobs[place]!.job));
        }
      }),
    );
    return results.flat();
  };
  return {
    size: tokenizer.size,
    special: tokenizer.special,
    specialIds: tokenizer.specialIds,
    maxLength: tokenizer.maxLength,
    paddingSide: tokenizer.paddingSide,
    truncationSide: tokenizer.truncationSide,
    chatTemplate: tokenizer.chatTemplate,
    get padId() {
      return tokenizer.padId;
    },
    encode: (text, options) => tokenizer.encode(text, options),
    encodeWords: (words, options) => tokenizer.encodeWords(words, options),
    decode: (ids, options) => tokenizer.decode(ids, options),
    idOf: (token) => tokenizer.idOf(token),
    tokenOf: (id) => tokenizer.tokenOf(id),
    async encodeMany(texts: readonly TextInput[], options: Omit<EncodeOptions, "pair"> = {}) {
      const places = new Map<string, number[]>();
      const found: (Encoding | undefined)[] = texts.map((input, i) => {
        const key = JSON.stringify([input, options]);
        const known = kept.get(key);
        if (known) return known;
        const same = places.get(key);
        if (same) same.push(i);
        else places.set(key, [i]);
        return undefined;
      });
      const fresh = [...places.values()].map(([first]) => texts[first!]!);
      const made = await encodeFresh(fresh, options);
      for (const [i, [key, wanted]] of [...places].entries()) {
        for (const place of wanted) found[place] = made[i]!;
        room -= made[i]!.ids.length + key.length / 4;
        if (room > 0) kept.set(key, made[i]!);
      }
      return found as readonly Encoding[];
    },
    async close() {
      kept.clear();
      await Promise.all(threads.splice(0).map((thread) => thread.close()));
    },
  };
}

/** The encodings of a job's texts, in order. */
export function encodeJob(tokenizer: TextTokenizer, { texts, options }: EncodeJob): readonly Encoding[] {
  return texts.map((input) =>
    typeof input === "string"
      ? tokenizer.encode(input, options)
      : tokenizer.encode(input.text, { ...options, pair: input.pair }),
  );
}

function cutJobs(texts: readonly TextInput[], options: EncodeJob["options"]) {
  const jobs: { readonly job: EncodeJob; readonly characters: number }[] = [];
  let [part, characters]: [TextInput[], number] = [[], 0];
  const end = () => {
    if (part.length > 0) jobs.push({ job: { texts: part, options }, characters });
    [part, characters] = [[], 0];
  };
  for (const input of texts) {
    part.push(input);
    characters += typeof input === "string" ? input.length : input.text.length + input.pair.length;
    if (characters >= jobCharacters) end();
  }
  end();
  return jobs;
}

/** Encodings one after another, to be handed over without a copy. */
export function packEncodings(encodings: readonly Encoding[]): EncodedTexts {
  const lengths = Int32Array.from(encodings, ({ ids }) => ids.length);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const ids = new Int32Array(total);
  const typeIds = new Uint8Array(total);
  let at = 0;
  for (const encoding of encodings) {
    ids.set(encoding.ids, at);
    typeIds.set(encoding.typeIds, at);
    at += encoding.ids.length;
  }
  return {
    ids,
    typeIds,
    lengths,
    truncated: Uint8Array.from(encodings, ({ isTruncated }) => Number(isTruncated)),
  };
}

function unpack({ ids, typeIds, lengths, truncated }: EncodedTexts): readonly Encoding[] {
  let at = 0;
  return Array.from(lengths, (length, i) => {
    const end = at + length;
    const encoding = {
      ids: ids.subarray(at, end),
      typeIds: typeIds.subarray(at, end),
      isTruncated: truncated[i] === 1,
    };
    at = end;
    return encoding;
  });
}
