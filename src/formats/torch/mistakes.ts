import { DiapasonError } from "../../base/errors.ts";

/** A file that is not what PyTorch writes, or not a whole one. */
export const damaged = (why: string, cause?: unknown): DiapasonError =>
  new DiapasonError(
    "formats/torch-damaged",
    `This is not a whole PyTorch file: ${why}.`,
    "Download or save the file again with torch.save, and check that it is complete.",
    cause,
  );

/** A pickle that asks for something other than tensors. */
export const refused = (name: string): DiapasonError =>
  new DiapasonError(
    "formats/torch-refused",
    `The file asks for ${JSON.stringify(name)}, which is no part of a tensor; nothing of it was executed.`,
    "Use weights that are saved as a state_dict, best as safetensors; distrust a file that should hold weights alone.",
  );

/** A file that would take more memory or time than one of weights needs. */
export const tooLarge = (what: string): DiapasonError =>
  new DiapasonError(
    "formats/torch-too-large",
    `${what}.`,
    "Save the state_dict alone, best as safetensors; distrust a file that should hold weights alone.",
  );
