import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { attachTestLoss, randomFeeds } from "../../src/app/gradcheck/inputs.ts";
import { gradcheck } from "../../src/autodiff/gradcheck.ts";
import { loadOnnx } from "../../src/formats/onnx/file.node.ts";
import { collectParameters } from "../../src/models/parameters.ts";
import { prepareGraph } from "../../src/models/prepare.ts";
import { cpuRuntime } from "../../src/runtime/cpu.node.ts";
import { learnShapes } from "../../src/runtime/probe.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { assets, haveAssets } from "../assets.ts";

const file = "snakers4+silero-vad__src_silero_vad_data_silero_vad.onnx";

let runtime: Runtime;
beforeAll(async () => {
  runtime = await cpuRuntime({ threads: 1 });
});
afterAll(() => runtime.dispose());

/** Its two networks stand in the branches of an If; Ifs inside of them ask for the lengths that their input has. */
describe.skipIf(!haveAssets)("a voice detector for two sampling rates", () => {
  test.each([
    [16_000, 512, "then_branch"],
    [8_000, 256, "else_branch"],
  ])("at %i samples a second the weights of that rate have right gradients", async (rate, length, branch) => {
    const graph = await loadOnnx(assets(`onnx/${file}`));
    await prepareGraph(graph, (unknown) => learnShapes(unknown, runtime));
    const loss = attachTestLoss(graph, 0);
    const parameters = collectParameters(graph, graph.get(loss)).parameters.map(({ name }) => name);
    const sizes = { batch: 2, "input.1": length, "state.1": 2 };
    const { feeds, symbols } = randomFeeds(graph, sizes, 0);
    feeds.get("sr")!.data[0] = rate;
    const result = await gradcheck(graph, { loss, parameters, feeds, symbols, samples: 1 });
    expect(result.verdict).toBe("right");
    const moved = result.parameters.filter(({ largestGradient }) => largestGradient > 0);
    expect(moved.length).toBe(15);
    expect(moved.every(({ name }) => name.includes(branch))).toBe(true);
  });
});
