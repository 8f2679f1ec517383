"""PyTorch's side of the step benchmark.

    python peer.py export NETWORK FOLDER          the network as ONNX, with the inputs of a step
    python peer.py step NETWORK REGIME MODE THREADS STEPS    times of training steps as JSON
"""

import json
import resource
import sys
import time

import torch
import torch.nn.functional as F

from networks import build


def export(name, folder):
    model, inputs, targets, _ = build(name)
    kind = "input_ids" if inputs.dtype == torch.int64 else "pixel_values"
    # A model in training mode keeps BatchNormalization as nodes instead of folding it into convolutions.
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    torch.onnx.export(
        model, (inputs,), f"{folder}/model.onnx", input_names=[kind], output_names=["logits"], opset_version=17,
        dynamo=False, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
        dynamic_axes={kind: {0: "batch"}, "logits": {0: "batch"}},
    )
    inputs.numpy().tofile(f"{folder}/inputs.bin")
    targets.numpy().tofile(f"{folder}/targets.bin")
    facts = {"input": kind, "dtype": "int64" if kind == "input_ids" else "float32", "dims": list(inputs.shape), "classes": targets.shape[1]}
    json.dump(facts, open(f"{folder}/facts.json", "w"))


def step(name, regime, mode, threads, steps):
    torch.set_num_threads(threads)
    model, inputs, targets, regimes = build(name)
    moving = regimes[regime]
    for parameter_name, parameter in model.named_parameters():
        parameter.requires_grad = parameter_name.startswith(moving)
    # BatchNormalization follows the batch where it moves and stays as it is where it is frozen.
    model.eval()
    for module_name, module in model.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d) and any(p.requires_grad for p in module.parameters()):
            module.train()
    if mode == "channels_last":
        model, inputs = model.to(memory_format=torch.channels_last), inputs.to(memory_format=torch.channels_last)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-5, weight_decay=0.01, fused=True)
    times, losses = [], []
    for _ in range(steps):
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mode == "bf16"):
            loss = F.cross_entropy(model(inputs), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(loss.item())
        times.append((time.perf_counter() - start) * 1000)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"times": times, "losses": losses, "peakBytes": peak, "version": torch.__version__}))


if sys.argv[1] == "export":
    export(sys.argv[2], sys.argv[3])
else:
    step(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]), int(sys.argv[6]))
