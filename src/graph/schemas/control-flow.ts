import { body, ints, type Schema } from "./schema.ts";

/** Operators with bodies, which read values of the graph around them. */
export const controlFlow = {
  If: { inputs: ["cond"], outputs: ["outputs*"], attributes: { else_branch: body, then_branch: body } },
  Loop: {
    inputs: ["M?", "cond?", "v_initial*"],
    outputs: ["v_final_and_scan_outputs*"],
    attributes: { body },
  },
  Scan: {
    inputs: ["initial_state_and_scan_inputs*"],
    outputs: ["final_state_and_scan_outputs*"],
    attributes: {
      body,
      num_scan_inputs: 1,
      scan_input_axes: ints,
      scan_input_directions: ints,
      scan_output_axes: ints,
      scan_output_directions: ints,
    },
  },
} as const satisfies { readonly [op: string]: Schema };
