import type { Download, Pushed, Upload } from "../app/index.node.ts";
import { bytes } from "../app/numbers.ts";
import type { Told } from "./tell-tune.ts";

/** A file smaller than this is too quick to be told of. */
const toldBytes = 1e6;

/** Tells what comes from the Hub and goes there. */
export const hubTeller = {
  download: ({ model, data, file, bytes: done, total }: Download): Told =>
    done < total || total < toldBytes
      ? { progress: `  ${model ?? data}: ${file} ${bytes(done)} of ${bytes(total)}` }
      : { line: `Fetched ${file} (${bytes(total)}) of ${model ?? data}` },
  upload: ({ file, share }: Upload): Told => ({ progress: `  ${file} ${Math.round(100 * share)} %` }),
  pushed: ({ files, bytes: size, url, commit }: Pushed): Told => ({
    line: `Pushed  ${files} files, ${bytes(size)}, to ${url}\nCommit  ${commit}`,
  }),
};
