/** What report and card call the examples of a classifier, and say of its files. */
export interface ClassifierKind {
  /** The Hub's name for the task. */
  readonly task: string;
  /** What examples are called, in the plural: "images". */
  readonly unit: string;
  /** The Hub's name for the kind of data set. */
  readonly dataset: string;
  /** What the model is: "An image classifier". */
  readonly noun: string;
  /** What lies beside the weights, as the end of a sentence: "`preprocessor_config.json` the preparation of images". */
  readonly files: string;
  /** What the curve of the loss shows. */
  readonly loss: string;
}
