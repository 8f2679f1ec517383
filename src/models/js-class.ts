import type { Model } from "./model.ts";

/** What there is to know of a saved model before it is opened in transformers.js. */
export function jsNotes({ network }: Model): readonly string[] {
  if (!network?.architecture.heads[network.head]?.lacksJsClass) return [];
  return [
    `transformers.js has no ${network.className}, so its pipelines do not open this model: there PreTrainedModel.from_pretrained does, and ONNX Runtime runs the file as it is.`,
  ];
}
