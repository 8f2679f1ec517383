import { bitfit } from "./bitfit.ts";
import { dora } from "./dora.ts";
import { ia3 } from "./ia3.ts";
import { lora } from "./lora.ts";
import { loraPlus } from "./lora-plus.ts";
import type { AdapterMethod } from "./method.ts";
import { pissa } from "./pissa.ts";
import { rslora } from "./rslora.ts";
import type { AdapterMethodName } from "./spec.ts";

/** Every way to adapt a model. */
export const adapterMethods: { readonly [N in AdapterMethodName]: AdapterMethod } = {
  lora,
  rslora,
  dora,
  "lora-plus": loraPlus,
  pissa,
  ia3,
  bitfit,
};
