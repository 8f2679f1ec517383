import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { roomNotes } from "./room.node.ts";

test("what will not fit where it is to be written is said, also of folders that are not there yet", async () => {
  const folder = mkdtempSync(join(tmpdir(), "room-"));
  const places = { out: join(folder, "new/out"), run: join(folder, "runs/x"), elementBytes: 4 };
  expect(await roomNotes({ ...places, parameters: 1000, moving: 10 })).toEqual([]);
  const notes = await roomNotes({ ...places, parameters: 1e15, moving: 10 });
  expect(notes).toEqual([
    expect.stringMatching(/^About 8000 TB will be written to .*new\/out, and there is room for /),
  ]);
  expect(await roomNotes({ ...places, parameters: 1e15, moving: 1e15 })).toHaveLength(2);
});
