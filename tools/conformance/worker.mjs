/** Runs the cases that its parent sends, one after the other: what crashes this process fails one case, not the run. */
import { operatorOf, readCase } from "./case.mjs";
import { checkGradients, checkRoundTrip, checkValues } from "./checks.mjs";
import { firstLine } from "./run-model.mjs";

process.on("message", async ({ folder, name }) => process.send(await runCase(folder, name)));

async function runCase(folder, name) {
  const operator = operatorOf(folder, name);
  try {
    const read = readCase(folder, name);
    return {
      name,
      operator,
      opset: read.opset,
      roundTrip: await checkRoundTrip(read),
      values: await checkValues(read),
      gradient: await checkGradients(read, operator),
    };
  } catch (error) {
    const check = { status: error.code ? "refused" : "failed", reason: firstLine(error) };
    return { name, operator, opset: 0, roundTrip: check, values: check, gradient: check };
  }
}
