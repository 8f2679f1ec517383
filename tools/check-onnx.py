"""Puts the ONNX files that Diapason writes before ONNX's own checker and ONNX Runtime.

Run: npm run build && python tools/check-onnx.py DIR...
Every .onnx file below the folders is read and written by Diapason (node, dist/), then checked; only what holds for the
file as it was must hold for the file as it is written. Needs: onnx, onnxruntime.
"""
import collections
import pathlib
import subprocess
import sys
import tempfile

import onnx
import onnxruntime as ort

ROOT = pathlib.Path(__file__).resolve().parents[1]
WRITE = """
import { loadOnnx, saveOnnx } from "ROOT/dist/formats/onnx/file.node.js";
const [from, to, externalAboveBytes] = process.argv.slice(1);
await saveOnnx(await loadOnnx(from), to, { externalAboveBytes: Number(externalAboveBytes) });
""".replace("ROOT", ROOT.as_uri())
ort.set_default_logger_severity(4)


def attempt(action):
    """"" where it goes well, else what was said."""
    try:
        action()
        return ""
    except Exception as error:
        return str(error).strip().splitlines()[0][:160] or type(error).__name__


checks = {
    "checker": lambda path: onnx.checker.check_model(str(path)),
    "checker with shapes": lambda path: onnx.checker.check_model(str(path), full_check=True),
    "runtime": lambda path: ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]),
}
counts, failures = collections.Counter(), []
for path in sorted(p for folder in sys.argv[1:] for p in pathlib.Path(folder).rglob("*.onnx")):
    before = {name: attempt(lambda: check(path)) for name, check in checks.items()}
    for form, above in (("inside", "1.8e9"), ("outside", "0")):
        with tempfile.TemporaryDirectory() as folder:
            written = pathlib.Path(folder) / "model.onnx"
            made = subprocess.run(["node", "--input-type=module", "-e", WRITE, path, written, above], capture_output=True, text=True)
            if made.returncode != 0:
                counts["not read or written"] += 1
                failures.append(f"{path.name}, weights {form}: {made.stderr.strip().splitlines()[-1:]}")
                continue
            counts[f"written, weights {form}"] += 1
            for name, check in checks.items():
                said = attempt(lambda: check(written))
                counts[f"{name}: {'refuses the file itself' if before[name] else 'refused' if said else 'passed'}"] += 1
                if said and not before[name]:
                    failures.append(f"{path.name}, weights {form}, {name}: {said}")
for what, count in sorted(counts.items()):
    print(f"{count:6} {what}")
print("\n".join(failures) or "every file that was right is right as it is written")
sys.exit(1 if failures or not counts else 0)
