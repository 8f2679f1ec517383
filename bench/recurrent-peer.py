"""Forward and backward of torch.nn's recurrent layers for bench/recurrent.mjs: python recurrent-peer.py KIND STEPS.

Prints the milliseconds of processor time of each step and the gradient norms, as JSON, of the layer whose weights and input are sines.
"""
import json
import sys
import time

import torch

kind, steps = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(1)
tokens, batch, width, hidden = 64, 16, 128, 256


def wave(*dims, scale):
    size = torch.Size(dims).numel()
    return (scale * torch.sin(1.7 * (torch.arange(size, dtype=torch.float64) % 9973))).float().reshape(dims)


layer = getattr(torch.nn, kind)(width, hidden)
# of ONNX's gates: input, output, forget, cell; update, reset, hidden
order = {"LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2], "RNN": [0]}[kind]
with torch.no_grad():
    for weight in layer.parameters():
        parts = wave(*weight.shape, scale=0.06).chunk(len(order))
        weight.copy_(torch.cat([parts[at] for at in order]))
x = wave(tokens, batch, width, scale=1).requires_grad_()
times = []
for _ in range(steps):
    started = time.process_time()
    y, _ = layer(x)
    y.square().mean().backward()
    times.append(1000 * (time.process_time() - started))
    norms = {"x": x.grad.norm().item(), "R": layer.weight_hh_l0.grad.norm().item()}
    x.grad = None
    layer.zero_grad()
print(json.dumps({"times": times, "norms": norms}))
