/**
 * Every error code with the explanation that docs/errors.md prints.
 *
 * A row is `"layer/slug": "what it means and how one usually gets there"`. Codes are stable: they are never reused.
 */
export const errorCodes = {
  "base/bug": "Diapason reached a state it holds to be impossible. This is a defect of ours.",
  "base/file-refused":
    "The system refused to open, read, list or change a file or a folder, such as a folder that is a file.",
  "graph/bad-index": "An axis or an index that an operator is given lies outside the array it points into.",
  "graph/bad-node": "An operator lacks something that its definition demands.",
  "graph/missing-feed": "A graph is to be computed without an array for one of its inputs.",
  "graph/no-expansion":
    "A composite operator is to be written out by simpler ones, and this form of it, or what is known of its shapes, does not allow it.",
  "graph/no-kernel":
    "The float64 reference interpreter was asked for an operator, a spelling or an element type that it does not compute.",
  "graph/shape-mismatch": "Two tensors meet in an operator that cannot combine their shapes.",
  "graph/old-operator":
    "An operator of an old ONNX opset means something that the present operators cannot say.",
  "graph/unknown-rank":
    "An operation needs to know how many axes a value has, and shape inference could not tell.",
  "autodiff/no-gradient":
    "A gradient is asked for through an operator, an option of one or an output that has none.",
  "autodiff/no-path": "A parameter is to move, but the loss does not depend on it in a differentiable way.",
  "autodiff/bad-loss": "The value to differentiate is not a single float number.",
  "autodiff/loss-not-finite": "A gradient is to be checked at inputs where the loss is not a number.",
  "autodiff/bad-parameter": "A name given as a parameter is no float input or initializer of the graph.",
  "autodiff/unknown-size": "A gradient needs a size that is still a symbol when the graph is compiled.",
  "data/not-found":
    "The folder of images, or the file of arrays or rows, does not exist, or is something else; nor is it a data set on the Hub.",
  "data/bad-card":
    "The front matter of a data set's README.md, which says which files are its splits, cannot be understood.",
  "data/unknown-config":
    "A data set on the Hub has no config of the name, or several of which none is the default and none is named.",
  "data/no-data-files":
    "A data set on the Hub has no files that are read: a script of Python that would fetch them, a WebDataset, or other formats.",
  "data/bad-archive":
    "An archive is damaged or encrypted, holds a path that leads out of its folder, or far more than its size allows.",
  "data/no-arrays":
    "A path given as data holds no named arrays: it is another kind of file, or a folder without any.",
  "data/bad-arrays":
    "Arrays cannot be used as examples: none are there, one is a single number, one has a type that no graph takes.",
  "data/unequal-arrays":
    "Arrays that belong together count different numbers of examples, or differ between splits.",
  "data/bad-jsonl":
    "A line of a .jsonl file of arrays is not JSON, or has other names or sizes than the first.",
  "data/bad-type": "An array has a type that cannot be fed to a graph.",
  "data/bad-value":
    "A value of an array cannot be fed without changing it, or makes no sense there, such as a class number beyond the last.",
  "data/no-images": "The folder holds no file that can be read as an image; what it holds instead is said.",
  "data/no-labels":
    "Images lie in a folder without class folders and without a metadata file, so nothing says what they show.",
  "data/no-training-images": "The folder has a validation or test part, but none to train on.",
  "data/single-class": "All images or texts have the same label; telling classes apart needs two.",
  "data/class-too-small": "A class has too few images to be split: training and validation each need one.",
  "data/unknown-label":
    "Validation or test images carry a label that training (or the given list of classes) does not have.",
  "data/empty-file": "An image file has 0 bytes, usually from a broken download or copy.",
  "data/broken-image": "An image file cannot be decoded: it is damaged, cut short, or not an image.",
  "data/bad-metadata":
    "A metadata.csv or metadata.jsonl file cannot be parsed, or a row lacks its file name or label.",
  "data/unknown-column": "A metadata file lacks a column that was asked for; the nearest one is named.",
  "data/duplicate-file": "A metadata file names the same image twice.",
  "data/missing-file": "A row of a metadata file names an image that does not exist.",
  "data/outside-folder":
    "A metadata file names an image outside its own folder; such a path is never followed.",
  "data/ambiguous-split":
    "Two folders mean the same split, such as val and validation, or a folder has two metadata files.",
  "data/bad-option": "An option of the data layer has a value that cannot work.",
  "data/bad-preprocessor":
    "A preprocessor_config.json cannot be read, contradicts itself or the model, or asks for what is not supported.",
  "data/long-text": "A row is longer than a book, and the task would read no more than its beginning.",
  "data/no-text":
    "A path given as data holds no file of rows that can be read, or the files hold no rows, or too few to be split.",
  "data/bad-text": "A file of text is not UTF-8, or not a whole one; the line and the byte are named.",
  "data/bad-row":
    "A line of a file is no row: not JSON, not as many fields as the header, a word without a tag; or a file is no Parquet.",
  "data/duplicate-column": "Two columns of a table have the same name.",
  "data/unknown-shape":
    "The columns of a file are none of the shapes that rows of text come in; docs/text-data.md lists them.",
  "data/mixed-shapes": "A row has other columns than the first row, as of another shape.",
  "data/missing-field": "A row lacks a field that its shape needs, such as its label.",
  "data/wrong-field": "A field of a row holds another kind of value than its shape needs.",
  "data/empty-text": "A row has an empty text.",
  "data/bad-messages": "A conversation has a turn without a role or without text.",
  "data/no-tokenizer": "A model folder holds no tokenizer that can be read.",
  "data/bad-tokenizer": "A tokenizer file cannot be read, or uses a part that is not supported.",
  "data/no-token": "A special token is needed that the tokenizer does not have.",
  "data/bad-chat-template":
    "A chat template is missing, cannot be parsed, or refuses a conversation with a message of its own.",
  "data/ambiguous-chat-template":
    "A chat template does not say which tokens are the assistant's, and rendering the conversation in parts does not tell either.",
  "models/unknown-architecture":
    "A checkpoint's config.json names a model_type that Diapason has no architecture for.",
  "models/no-such-head": "The architecture has no head for the task.",
  "models/missing-weight": "A checkpoint lacks a weight that the network of its config.json needs.",
  "models/weight-shape": "A weight of a checkpoint has other sizes than its config.json gives it.",
  "models/weight-type": "A weight of a checkpoint is of a type that cannot be tuned, such as whole numbers.",
  "app/too-large": "A run is predicted to need more memory than there is.",
  "evaluate/no-prompt": "A text is to be continued, and there is nothing to go on from.",
  "models/not-found":
    "There is no model at the given path, or the folder or repository holds none that can be opened.",
  "models/hub-answer":
    "The Hub, or a server in its place, gave an answer that is an error or makes no sense.",
  "models/hub-bad-id": "The id of a model or a data set on the Hub names a revision that cannot be one.",
  "models/hub-denied":
    "The Hub does not let this token, or nobody without one, read or write a repository: it is gated, private, or the token lacks the right.",
  "models/hub-is-public": "A private upload is asked for, to a repository that everybody may read.",
  "models/hub-no-token": "An upload needs a token of the Hub, and none is set.",
  "models/hub-no-revision": "A repository on the Hub has no branch, tag or commit of the name.",
  "models/hub-not-found": "The Hub has no model or data set of the name, or it is private.",
  "models/hub-offline":
    "A model or data set is not in the cache, and the environment forbids to ask the Hub.",
  "models/hub-unreachable": "The Hub did not answer, or the connection was cut, in several attempts.",
  "models/hub-wrong-bytes": "A downloaded file has another size or checksum than the Hub says.",
  "models/hub-wrong-kind": "A data set on the Hub is given as the model, or a model as the data.",
  "models/no-image-input":
    "The model has no float input of rank 4 with 1 or 3 channels, so it does not take images.",
  "models/no-dropout": "Dropout is asked for, and the model is built or was exported without places for it.",
  "models/bad-adapter":
    "An adapter cannot be put on a model: nothing fits its target modules, or a number or a layer does not suit it.",
  "models/adapter-mismatch":
    "An adapter that was read is for another model: a layer or a parameter is not there, or has other sizes.",
  "models/bad-adapter-config": "A folder is to hold an adapter as PEFT writes it, and does not.",
  "models/unsupported-module":
    "A folder of sentence-transformers has a module, or a setting of one, that is not computed: its vectors would be others.",
  "models/unsupported-adapter":
    "An adapter is of a type, or has a setting, that Diapason does not compute. What it is, is named.",
  "models/no-output": "A graph has no outputs, so that nothing can be said or made of it.",
  "models/no-parameters": "No float weight of the model reaches its output, so there is nothing to tune.",
  "models/no-features": "The model's output has a shape from which no classifier can be built.",
  "models/no-classifier": "The operation needs a classifier, and the model does not end in one.",
  "models/bad-config": "A model folder's config.json cannot be read or contradicts the model.",
  "models/extra-inputs":
    "The model must be fed more than an image, which image classification does not have.",
  "models/labels-mismatch": "The number of class names differs from the width of the model's output.",
  "models/output-exists":
    "The folder to write to exists and is not empty, and overwriting was not asked for.",
  "tasks/bad-declaration":
    "A declared loss or metric is not of the form KIND:OUTPUT=ARRAY, or names a kind or an option that does not exist.",
  "tasks/unknown-output": "A declared loss or metric names an output that the model does not have.",
  "tasks/bad-output":
    "A declared loss or metric reads an output that holds no float numbers, or whose first axis does not count the examples.",
  "tasks/unknown-array": "A declared loss or metric names an array that the data do not hold.",
  "tasks/bad-loss-graph":
    "A loss given as an ONNX graph does not end in one float number, or reads nothing that the model gives.",
  "tasks/input-shape": "An array of the data has other sizes than the input of the model that it is fed to.",
  "tasks/missing-input": "The model reads an input for which the data hold no array and no number was fixed.",
  "tasks/fixed-batch": "A model was exported for a fixed number of examples and cannot be freed of it.",
  "tasks/loss-shape":
    "An output and the array it is to be compared with have different sizes. Nothing is broadcast: that hides mistakes.",
  "evaluate/unpaired-predictions":
    "Two lists of predictions that should be compared are not about the same examples.",
  "evaluate/not-finite": "A model gave NaN or infinite logits for an example.",
  "evaluate/no-examples": "There is nothing to evaluate on: the list of examples is empty.",
  "tune/unknown-block": "A plan or a recipe names blocks that the model does not have.",
  "tune/unknown-plan": "A freeze plan is asked for by a name that does not exist.",
  "tune/bad-plan": "A freeze plan has an impossible number: no stage, no epochs, a rate that is not above 0.",
  "tune/bad-option": "An option of the training loop has a value that cannot work.",
  "tune/bad-batch": "The training data gave a batch that does not fit the training graph.",
  "tune/loss-not-finite": "The loss or a gradient became NaN or infinite; the last good checkpoint is kept.",
  "tune/no-run": "A run is to be resumed from a folder that does not hold one.",
  "tune/bad-checkpoint":
    "A checkpoint cannot be read: a file is missing, damaged or does not belong to this model.",
  "tune/base-changed": "A run is resumed on another base model than it was started with.",
  "tune/settings-changed": "A run is resumed with other settings than it was started with.",
  "tune/run-exists": "The folder of a new run already holds a run.",
  "app/bad-option": "An option has a value of the wrong kind or outside its range.",
  "app/missing-option": "An option that a command cannot do without is not given.",
  "app/overlapping-folders":
    "A folder that would be written lies inside one that is read, or the other way round.",
  "app/unknown-option":
    "A flag, recipe key or option name that does not exist; the nearest known one is named.",
  "app/unknown-command": "A command that does not exist; the nearest known one is named.",
  "app/empty-split": "The images asked for are not in the folder.",
  "app/nothing-to-check": "A gradient check has no loss to differentiate, or no weight that reaches it.",
  "app/no-sizes": "A graph with open sizes ran at none of those that were tried for a gradient check.",
  "app/nothing-held-out": "A run would train on every example, so that nothing is left to judge it by.",
  "app/no-loss": "The task custom needs a loss, and none is declared.",
  "app/bad-file": "A file is to be written in a format that the command does not know.",
  "app/no-labels": "A model does not say which classes its outputs are.",
  "app/no-such-image": "An image that a command was given is not there.",
  "app/file-exists": "A file that a command would write is there already.",
  "app/bad-recipe": "A recipe file that cannot be read as YAML, or is not a mapping of options.",
  "base/disk-full": "There was no room to write a file; what was there before is untouched.",
  "base/not-writable":
    "A file or folder cannot be written: permissions, a read-only place, or a file where a folder is wanted.",
  "formats/file-unreadable": "A model file is not there, or may not be read.",
  "formats/index-damaged":
    "The index of a checkpoint in several files (`*.index.json`) is not JSON, or does not map tensors to files.",
  "formats/index-mismatch":
    "The index of a checkpoint and its files do not say the same: a tensor is missing, elsewhere, or there twice.",
  "formats/index-outside": "The index of a checkpoint names a file outside of its folder.",
  "formats/no-checkpoint":
    "A folder holds no weights under a name that is known, or a file is no file of weights.",
  "formats/npy-damaged": "A file or an entry of a .npz archive is not a .npy array, or not a whole one.",
  "formats/npy-type":
    "A .npy array holds something other than numbers (pickled objects, text, records), or numbers NumPy has no type for.",
  "formats/npz-damaged": "A file is not a .npz archive, or not a whole one, or it holds what is no array.",
  "formats/npz-too-large": "The compressed arrays of a .npz archive would take more memory than is allowed.",
  "formats/onnx-bad-graph":
    "The graph of an ONNX file does not hold together: a value that nothing makes, a name used twice, a function that calls itself.",
  "formats/onnx-bad-tensor": "A tensor of an ONNX file has a shape, type or size that do not fit each other.",
  "formats/onnx-damaged": "A file is not ONNX, or not a whole one.",
  "formats/onnx-external-missing": "Weights that lie beside a model file cannot be found or read.",
  "formats/onnx-external-outside":
    "Weights that lie beside a model file are said to be outside its folder; such a path is never followed.",
  "formats/onnx-opset": "A model uses operators of a version that is too old.",
  "formats/safetensors-damaged": "A file is not safetensors, or not a whole one.",
  "formats/shard-missing": "A file that the index of a checkpoint names is not there.",
  "formats/torch-damaged": "A file is not one that PyTorch wrote, or not a whole one, or it holds no tensor.",
  "formats/torch-refused":
    "A PyTorch file asks for something of Python that is no part of a tensor, as a hostile one does, or one that holds a whole training state. Nothing of it was executed.",
  "formats/torch-too-large":
    "A PyTorch file describes more objects, or larger ones, than one of weights has.",
  "formats/safetensors-type": "A tensor has a type that the safetensors format does not know.",
  "runtime/bad-feed":
    "What is fed to a graph does not fit its inputs: one is missing, unknown, or of another type or shape.",
  "runtime/failed": "ONNX Runtime failed while running a graph.",
  "runtime/no-device":
    "A device cannot be opened: its driver or its files are missing, or ONNX Runtime finds no such device.",
  "runtime/no-kernel": "ONNX Runtime has no implementation of an operator on the device.",
  "runtime/no-output": "A graph is asked for an output that it does not have.",
  "runtime/out-of-memory": "There was not enough memory to compile or run a graph.",
  "runtime/refused": "ONNX Runtime refused a graph.",
  "runtime/unknown-shapes":
    "Shapes that follow from no rule could not be learned by running the graph either.",
  "runtime/worker-ended": "The thread that computes ended before it had answered.",
  "app/not-a-run": "A folder is not a run of Diapason.",
  "app/run-finished": "A run is to go on that has come to its end.",
} as const satisfies Record<`${string}/${string}`, string>;

export type ErrorCode = keyof typeof errorCodes;
