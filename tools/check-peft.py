"""Whether PEFT loads an adapter that Diapason wrote, and computes with it what the merged model does.

Run by hand: python tools/check-peft.py OUT [BASE]

OUT: the result folder of a tuning with an adapter (merged weights, and the folder "adapter"). BASE: the base model; default
what adapter_config.json names. Prints the largest difference between logits of PEFT's model, of PEFT's merged model and of
OUT as transformers loads it, and ends with 1 where it is above 1e-4 of the largest logit.
"""

import json
import sys
import warnings
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

out = Path(sys.argv[1])
config = json.loads((out / "adapter" / "adapter_config.json").read_text())
base = sys.argv[2] if len(sys.argv) > 2 else config["base_model_name_or_path"]
kinds = {"SEQ_CLS": AutoModelForSequenceClassification, "CAUSAL_LM": AutoModelForCausalLM}
kind = kinds[config["task_type"]]
merged_config = AutoConfig.from_pretrained(out)
more = {"num_labels": merged_config.num_labels} if config["task_type"] == "SEQ_CLS" else {}

generator = torch.Generator().manual_seed(0)
ids = torch.randint(3, merged_config.vocab_size, (4, 8), generator=generator)
inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
with warnings.catch_warnings(record=True) as caught, torch.no_grad():
    warnings.simplefilter("always")
    model = PeftModel.from_pretrained(kind.from_pretrained(base, **more), out / "adapter").eval()
    adapted = model(**inputs).logits
    unloaded = model.merge_and_unload()(**inputs).logits
    ours = kind.from_pretrained(out).eval()(**inputs).logits
missing = [str(w.message) for w in caught if "missing" in str(w.message).lower()]
largest = adapted.abs().max().item()
differences = {
    "PEFT's merged model": (adapted - unloaded).abs().max().item(),
    "OUT": (adapted - ours).abs().max().item(),
}
print(f"{config['peft_type']}, largest logit {largest:.4f}")
for name, difference in differences.items():
    print(f"  against {name}: {difference:.2e}")
for text in missing:
    print("  warning:", text[:300])
sys.exit(1 if missing or max(differences.values()) > 1e-4 * largest else 0)
