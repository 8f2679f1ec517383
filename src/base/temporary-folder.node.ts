import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folders = new Set<string>();
process.once("exit", removeTemporaryFolders);

/** A new folder among the system's temporary ones, which goes with the process where nobody removes it before. */
export async function makeTemporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "diapason-"));
  folders.add(folder);
  return folder;
}

/** Removes such a folder. What cannot be removed yet, as Windows keeps files that are mapped, goes when the process ends. */
export async function removeTemporaryFolder(folder: string): Promise<void> {
  const isGone = await rm(folder, { recursive: true, force: true }).then(
    () => true,
    () => false,
  );
  if (isGone) folders.delete(folder);
}

/** Removes all that are left: for whoever ends the process by a signal, of which no "exit" tells. */
export function removeTemporaryFolders(): void {
  for (const folder of folders) {
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // a file is in use: the system's own clearing takes it
    }
  }
  folders.clear();
}
