"""A ResNet-20 tuned in PyTorch for bench/images.mjs.

python images-peer.py MODEL DATA PLAN LEARNING_RATE FLIP BATCH_NORM SEED THREADS, where PLAN is "full" or "head" and BATCH_NORM
"frozen" (the pretrained statistics) or "training" (the batch's). Prints the accuracy on the test images.
"""
import copy
import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import nn

model, data, plan, rate, flip, batch_norm, seed, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
torch.manual_seed(int(seed))
epochs, batch_size = 8, 32
preprocessor = json.loads(Path(model, "preprocessor_config.json").read_text())
size = (preprocessor["size"]["width"], preprocessor["size"]["height"])
classes = sorted(folder.name for folder in Path(data, "train").iterdir())


def load(split):
    images, labels = [], []
    for label, name in enumerate(classes):
        for file in sorted(Path(data, split, name).iterdir()):
            image = Image.open(file).convert("RGB").resize(size, Image.Resampling.BILINEAR)
            images.append(np.asarray(image))
            labels.append(label)
    pixels = torch.tensor(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(preprocessor[key]).view(1, 3, 1, 1) for key in ("image_mean", "image_std"))
    return (pixels - mean) / std, torch.tensor(labels)


class Block(nn.Module):
    """Two convolutions and a shortcut that skips pixels and pads channels."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.more = outputs - inputs

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.more:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more // 2, self.more // 2))
        return F.relu(x + y)


class ResNet20(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self.layer(16, 16, 1)
        self.layer2 = self.layer(16, 32, 2)
        self.layer3 = self.layer(32, 64, 2)
        self.linear = nn.Linear(64, outputs)

    @staticmethod
    def layer(inputs, outputs, stride):
        return nn.Sequential(Block(inputs, outputs, stride), *(Block(outputs, outputs, 1) for _ in range(2)))

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return self.linear(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


net = ResNet20(len(classes))
weights = load_file(Path(model, "model.safetensors"))
labels = json.loads(Path(model, "config.json").read_text())["id2label"]
if [labels[str(i)] for i in range(len(labels))] != classes:  # another task: a new head
    weights = {name: value for name, value in weights.items() if not name.startswith("linear.")}
missing, unexpected = net.load_state_dict(weights, strict=False)
assert not unexpected and all(name.startswith("linear.") for name in missing), (missing, unexpected)
if plan == "head":
    for name, parameter in net.named_parameters():
        parameter.requires_grad = name.startswith("linear.")

train, test = load("train"), load("test")
validation = load("validation") if Path(data, "validation").exists() else None


@torch.no_grad()
def judge(images, labels):
    """Accuracy, and the loss below zero: of two epochs with the same accuracy the one with the lower loss is better."""
    net.eval()
    logits = torch.cat([net(part) for part in images.split(256)])
    return (logits.argmax(1) == labels).float().mean().item(), -F.cross_entropy(logits, labels).item()


steps = epochs * math.ceil(len(train[0]) / batch_size)
warmup = int(0.1 * steps)
optimizer = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=float(rate), weight_decay=0.01)
schedule = torch.optim.lr_scheduler.LambdaLR(
    optimizer,
    lambda step: step / warmup
    if step < warmup
    else 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))),
)
best = ((-1.0, 0.0), net.state_dict())
for _ in range(epochs):
    net.train(batch_norm == "training" and plan == "full")
    for picked in torch.randperm(len(train[0])).split(batch_size):
        images = train[0][picked]
        flipped = (torch.rand(len(picked)) < float(flip)).view(-1, 1, 1, 1)
        loss = F.cross_entropy(net(torch.where(flipped, images.flip(3), images)), train[1][picked])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    if validation:
        reached = judge(*validation)
        if reached > best[0]:
            best = (reached, copy.deepcopy(net.state_dict()))
if validation:
    net.load_state_dict(best[1])
print(judge(*test)[0])
