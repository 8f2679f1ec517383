"""torch.optim.AdamW on the sizes read from standard input; for each variant a line "variant threads milliseconds…" of its passes."""
import json
import sys
import time

import torch

spec = json.load(sys.stdin)
print("version", torch.__version__, flush=True)
for variant, threads in (("fused", 1), ("fused", spec["threads"]), ("foreach", spec["threads"])):
    torch.set_num_threads(threads)
    parameters = [torch.nn.Parameter(torch.randn(n)) for n in spec["sizes"]]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.01, **{variant: True})
    times = []
    for _ in range(spec["warmup"] + spec["passes"]):
        start = time.perf_counter()
        optimizer.step()
        times.append(1e3 * (time.perf_counter() - start))
    print(variant, threads, *times[spec["warmup"]:], flush=True)
