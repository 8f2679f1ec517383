"""Whether folders load in transformers with the logits they should have.

python tools/check-transformers.py FOLDER … : loads each folder by the class its config.json names, runs it on the inputs
in its reference.safetensors ("input.<name>") and compares with "output" there. Prints the largest difference of each,
relative to the largest expected number, and exits 1 where one is above 1e-4 or a weight is missing or left over.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors import safe_open


def check(folder):
    config = json.loads((folder / "config.json").read_text())
    name = config["architectures"][0]
    model, info = getattr(transformers, name).from_pretrained(folder, output_loading_info=True)
    # a features network has no pooler of its own; transformers adds one, which the outputs do not pass
    missing = {key for key in info["missing_keys"] if not (name.endswith("Model") and "pooler" in key)}
    with safe_open(folder / "reference.safetensors", "pt") as file:
        inputs = {key[len("input.") :]: file.get_tensor(key) for key in file.keys() if key.startswith("input.")}
        expected = file.get_tensor("output")
        output = (file.metadata() or {}).get("output", "logits")
    with torch.no_grad():
        found = model.eval()(**inputs)[output]
    difference = float((found - expected).abs().max() / expected.abs().max())
    odd = [*sorted(missing), *sorted(info["unexpected_keys"]), *sorted(str(key) for key in info["mismatched_keys"])]
    print(f"{folder.name:24} {name:40} {difference:.1e}{' ' + ', '.join(odd) if odd else ''}")
    return difference < 1e-4 and not odd


if __name__ == "__main__":
    print("transformers", transformers.__version__, "torch", torch.__version__)
    folders = [Path(argument) for argument in sys.argv[1:]]
    sys.exit(0 if folders and all([check(folder) for folder in folders]) else 1)
