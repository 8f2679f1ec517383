"""The networks of the step benchmark in plain PyTorch, with random weights from one seed."""

import torch
import torch.nn.functional as F
from torch import nn

SEED = 0


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q_lin, self.k_lin, self.v_lin, self.out_lin = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x):
        b, t, w = x.shape
        split = lambda y: y.view(b, -1, self.heads, w // self.heads).transpose(1, 2)
        q, k, v = split(self.q_lin(x)), split(self.k_lin(x)), split(self.v_lin(x))
        context = F.scaled_dot_product_attention(q, k, v)
        return self.out_lin(context.transpose(1, 2).reshape(b, -1, w))


class EncoderLayer(nn.Module):
    """Norms after the residual sums, as in BERT, or before the branches, as in a vision transformer."""

    def __init__(self, width, heads, hidden, first):
        super().__init__()
        self.first = first
        self.attention = Attention(width, heads)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.lin1, self.lin2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def feed(self, x):
        return self.lin2(F.gelu(self.lin1(x)))

    def forward(self, x):
        if self.first:
            x = x + self.attention(self.norm1(x))
            return x + self.feed(self.norm2(x))
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.feed(x))


class Encoder(nn.Module):
    """DistilBERT's shape: 6 layers, 768 wide, 12 heads, 30,522 tokens; a classifier on the first token."""

    def __init__(self):
        super().__init__()
        self.words, self.positions = nn.Embedding(30522, 768), nn.Embedding(512, 768)
        self.norm = nn.LayerNorm(768)
        self.layer = nn.ModuleList(EncoderLayer(768, 12, 3072, False) for _ in range(6))
        self.classifier = nn.Linear(768, 2)

    def forward(self, ids):
        x = self.norm(self.words(ids) + self.positions.weight[: ids.shape[1]])
        for layer in self.layer:
            x = layer(x)
        return self.classifier(x[:, 0])


class VisionTransformer(nn.Module):
    """ViT-S/16: 12 layers, 384 wide, 6 heads, 196 patches and a class token."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 384, 16, 16)
        self.token = nn.Parameter(torch.randn(1, 1, 384) * 0.02)
        self.positions = nn.Parameter(torch.randn(1, 197, 384) * 0.02)
        self.layer = nn.ModuleList(EncoderLayer(384, 6, 1536, True) for _ in range(12))
        self.norm, self.classifier = nn.LayerNorm(384), nn.Linear(384, 10)

    def forward(self, images):
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        for layer in self.layer:
            x = layer(x)
        return self.classifier(self.norm(x)[:, 0])


def unit(inner, outer, kernel, stride=1, groups=1, act=True):
    parts = [nn.Conv2d(inner, outer, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outer)]
    return nn.Sequential(*parts, *([act if isinstance(act, nn.Module) else nn.ReLU()] if act else []))


class Basic(nn.Module):
    def __init__(self, inner, outer, stride):
        super().__init__()
        self.conv1, self.conv2 = unit(inner, outer, 3, stride), unit(outer, outer, 3, act=False)
        self.downsample = unit(inner, outer, 1, stride, act=False) if stride > 1 or inner != outer else nn.Identity()

    def forward(self, x):
        return F.relu(self.conv2(self.conv1(x)) + self.downsample(x))


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.pool = unit(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)
        stage = lambda i, o, s: nn.Sequential(Basic(i, o, s), Basic(o, o, 1))
        self.layer1, self.layer2 = stage(64, 64, 1), stage(64, 128, 2)
        self.layer3, self.layer4 = stage(128, 256, 2), stage(256, 512, 2)
        self.fc = nn.Linear(512, 10)

    def forward(self, x):
        x = self.layer2(self.layer1(self.pool(self.stem(x))))
        return self.fc(self.layer4(self.layer3(x)).mean((2, 3)))


class Inverted(nn.Module):
    def __init__(self, inner, outer, stride, expand):
        super().__init__()
        hidden = inner * expand
        first = [unit(inner, hidden, 1, act=nn.ReLU6())] if expand > 1 else []
        self.conv = nn.Sequential(*first, unit(hidden, hidden, 3, stride, hidden, nn.ReLU6()), unit(hidden, outer, 1, act=False))
        self.adds = stride == 1 and inner == outer

    def forward(self, x):
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self):
        super().__init__()
        blocks, inner = [unit(3, 32, 3, 2, act=nn.ReLU6())], 32
        for expand, outer, count, stride in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]:
            for i in range(count):
                blocks.append(Inverted(inner, outer, stride if i == 0 else 1, expand))
                inner = outer
        self.features = nn.Sequential(*blocks, unit(320, 1280, 1, act=nn.ReLU6()))
        self.classifier = nn.Linear(1280, 10)

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


def images(n):
    return lambda g: torch.randn(n, 3, 224, 224, generator=g)


# name: network, batch, classes, its input, names of what moves by regime
NETWORKS = {
    "encoder": (Encoder, 16, 2, lambda g: torch.randint(0, 30522, (16, 128), generator=g), {"top": ("layer.4.", "layer.5.", "classifier"), "head": ("classifier",)}),
    "resnet18": (ResNet18, 32, 10, images(32), {"top": ("layer4.", "fc"), "head": ("fc",)}),
    "mobilenetv2": (MobileNetV2, 32, 10, images(32), {"top": ("features.17.", "features.18.", "classifier"), "head": ("classifier",)}),
    "vit-s16": (VisionTransformer, 16, 10, images(16), {"top": ("layer.10.", "layer.11.", "norm.", "classifier"), "head": ("classifier",)}),
}


def build(name):
    torch.manual_seed(SEED)
    kind, batch, classes, make, regimes = NETWORKS[name]
    model = kind()
    generator = torch.Generator().manual_seed(SEED)
    inputs = make(generator)
    targets = F.one_hot(torch.arange(batch) % classes, classes).float()
    return model, inputs, targets, {"full": ("",), **regimes}
