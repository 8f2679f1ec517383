"""The side of transformers and PEFT in the benchmark of checkpoints.

    python peer.py make NETWORK REGIME BATCH TOKENS FOLDER [BASE]      weights, adapter and inputs that both sides start from
    python peer.py step FOLDER REGIME MODE THREADS STEPS              times of training steps as JSON
    python peer.py first MODEL DATA THREADS                           the losses of one step on texts of a CSV file
"""

import json
import resource
import sys
import time

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

CLASSES = 4


def built(network, base):
    torch.manual_seed(0)
    if network == "encoder":
        return AutoModelForSequenceClassification.from_pretrained(base, num_labels=CLASSES)
    if network == "gpt2":
        from transformers import GPT2Config, GPT2LMHeadModel

        return GPT2LMHeadModel(GPT2Config())
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
        num_key_value_heads=3, tie_word_embeddings=True, max_position_embeddings=2048,
    ))


def make(network, regime, batch, tokens, folder, base=None):
    model = built(network, base)
    model.save_pretrained(f"{folder}/model")
    generator = np.random.default_rng(0)
    highest = min(model.config.vocab_size, 30000)
    ids = generator.integers(1000, highest, (batch, tokens), dtype=np.int64)
    ids.tofile(f"{folder}/ids.bin")
    generator.integers(0, CLASSES, batch, dtype=np.int64).tofile(f"{folder}/labels.bin")
    head = "sequence-classification" if network == "encoder" else "causal-lm"
    json.dump({"head": head, "batch": batch, "tokens": tokens, "classes": CLASSES}, open(f"{folder}/facts.json", "w"))
    if regime == "lora":
        from peft import LoraConfig, get_peft_model

        torch.manual_seed(1)
        kind = "SEQ_CLS" if network == "encoder" else "CAUSAL_LM"
        config = LoraConfig(task_type=kind, r=8, lora_alpha=16, lora_dropout=0, target_modules="all-linear")
        get_peft_model(model, config).save_pretrained(f"{folder}/adapter", save_embedding_layers=False)


def step(folder, regime, mode, threads, steps):
    torch.set_num_threads(threads)
    facts = json.load(open(f"{folder}/facts.json"))
    batch, tokens = facts["batch"], facts["tokens"]
    classifies = facts["head"] == "sequence-classification"
    kind = AutoModelForSequenceClassification if classifies else AutoModelForCausalLM
    model = kind.from_pretrained(f"{folder}/model", dtype=torch.float32)
    if regime == "lora":
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, f"{folder}/adapter", is_trainable=True)
    model.eval()  # no dropout on either side
    ids = torch.from_numpy(np.fromfile(f"{folder}/ids.bin", dtype=np.int64)).view(batch, tokens)
    labels = torch.from_numpy(np.fromfile(f"{folder}/labels.bin", dtype=np.int64)) if classifies else ids
    mask = torch.ones_like(ids)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-5, weight_decay=0, fused=True)
    times, cpu, losses = [], [], []
    for _ in range(steps):
        start, used = time.perf_counter(), time.process_time()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mode == "bf16"):
            loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(loss.item())
        times.append((time.perf_counter() - start) * 1000)
        cpu.append((time.process_time() - used) * 1000)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"times": times, "cpu": cpu, "losses": losses, "peakBytes": peak, "moving": sum(p.numel() for p in parameters)}))


def first(model, data, threads):
    """What a small script does up to its first step: read texts, judge the held-out ones, train on 16."""
    import csv

    from transformers import AutoTokenizer, Trainer, TrainerCallback, TrainingArguments

    torch.set_num_threads(threads)
    read = lambda split: list(csv.DictReader(open(f"{data}/{split}.csv", newline="")))
    names = sorted({row["label"] for row in read("train")})
    tokenizer = AutoTokenizer.from_pretrained(model)
    encoded = lambda rows: [
        {**tokenizer(row["text"], truncation=True, max_length=64), "labels": names.index(row["label"])} for row in rows
    ]
    train, test = encoded(read("train")), encoded(read("test"))
    network = AutoModelForSequenceClassification.from_pretrained(model, num_labels=len(names))
    from transformers import DataCollatorWithPadding

    class Stop(TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            print("first step", flush=True)
            control.should_training_stop = True

    import tempfile

    settings = TrainingArguments(
        output_dir=tempfile.mkdtemp(), per_device_train_batch_size=16, max_steps=1, report_to=[], save_strategy="no",
        use_cpu=True,
    )
    trainer = Trainer(
        model=network, args=settings, train_dataset=train, eval_dataset=test,
        data_collator=DataCollatorWithPadding(tokenizer), callbacks=[Stop()],
    )
    trainer.evaluate()
    trainer.train()


verb, *words = sys.argv[1:]
if verb == "make":
    make(words[0], words[1], int(words[2]), int(words[3]), *words[4:])
elif verb == "step":
    step(words[0], words[1], words[2], int(words[3]), int(words[4]))
else:
    first(words[0], words[1], int(words[2]))
