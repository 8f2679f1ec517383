import { expect, test } from "vitest";
import { runtime, shortRun } from "../../tests/tune/short-run.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { compileStage } from "./program.ts";

/** The runtime with a count of its stores that are open, which compiles as often as it is let. */
function counted(most: number): { readonly runtime: Runtime; readonly open: () => number } {
  let [open, compiled] = [0, 0];
  return {
    open: () => open,
    runtime: {
      ...runtime,
      async store(arrays) {
        const store = await runtime.store(arrays);
        open++;
        const end = store.dispose;
        const dispose = async () => {
          open--;
          await end();
        };
        return Object.assign(store, { dispose });
      },
      async compile(graph, options) {
        if (++compiled > most) throw new Error("no more");
        return runtime.compile(graph, options);
      },
    },
  };
}
const firstStage = (given: Runtime) => {
  const options = shortRun({ runtime: given });
  return compileStage(options.plan.stages[0]!, options, new Map());
};

test("a stage that cannot be compiled leaves no store open", async () => {
  const { runtime: given, open } = counted(0);
  await expect(firstStage(given)).rejects.toThrow("no more");
  expect(open()).toBe(0);
});

test("a program whose evaluation cannot be compiled is disposed of all the same", async () => {
  const { runtime: given, open } = counted(1);
  const program = await firstStage(given);
  expect(open()).toBe(1);
  await expect(program.evaluation()).rejects.toThrow("no more");
  await program.dispose();
  expect(open()).toBe(0);
});
