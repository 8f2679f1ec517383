"""Makes small ONNX files with random weights by many exporters, for `npm run graphs -- DIR`.

    python tools/graphs/exporters.py DIR [--only TEXT]

A file that exists is kept; what cannot be exported is named and left out. Each group runs where its packages are.
Made with Python 3.11, torch 2.14.1, torchvision 0.29.1, torchaudio 2.11.0, timm 1.0.31, transformers 5.24.0,
onnxscript 0.7.2, onnx 1.23.2, onnxruntime 1.32.0, onnxslim 0.1.98, skl2onnx 1.20.0, onnxmltools 1.16.0, xgboost 3.2.0,
lightgbm 4.7.0, catboost 1.2.10, torch_geometric 2.8.1; tensorflow-cpu and tf2onnx, paddle2onnx in environments of
their own. Seed 0.
"""

import argparse
import os
import signal
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
warnings.filterwarnings("ignore")

SECONDS = 120
makers = {}


def graph(function):
    """Registers a maker under its name: it is given the file to write."""
    makers[function.__name__.replace("_", "-")] = function
    return function


def export(module, inputs, file, opset=17, dynamo=False, names=None, dynamic=True, outputs=None, **options):
    """torch.onnx.export with every first axis open (`dynamic`), or with the axes that `dynamic` names."""
    import torch

    module.eval()
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    names = names or [f"input{i}" for i in range(len(inputs))] if len(inputs) > 1 else names or ["input"]
    with torch.no_grad():
        if dynamo:
            shapes = None
            if dynamic is True:
                batch = torch.export.Dim.DYNAMIC
                shapes = tuple({0: batch} for _ in inputs)
            elif dynamic:
                shapes = tuple({axis: torch.export.Dim.DYNAMIC for axis in dynamic.get(n, {})} for n in names)
            if shapes and type(module).__name__ == "Wrapped":  # its arrays are one argument
                shapes = (shapes,)
            torch.onnx.export(module, inputs, str(file), dynamo=True, opset_version=max(opset, 18), input_names=names,
                              output_names=outputs, dynamic_shapes=shapes, verbose=False,
                              **{"external_data": False, **options})
        else:
            axes = {n: {0: "batch"} for n in names} if dynamic is True else dynamic or None
            torch.onnx.export(module, inputs, str(file), dynamo=False, opset_version=opset, input_names=names,
                              output_names=outputs, dynamic_axes=axes, **options)


# --- torchvision -----------------------------------------------------------------------------------------------------


def image(size=32, batch=2):
    import torch

    return torch.randn(batch, 3, size, size)


def vision(name, make, size=32, **options):
    for dynamo in (False, True):
        def maker(file, dynamo=dynamo):
            import torchvision.models as models

            export(make(models), image(size), file, dynamo=dynamo, **options)

        makers[f"torchvision-{name}-{'dynamo' if dynamo else 'script'}"] = maker


vision("resnet", lambda m: m.ResNet(m.resnet.BasicBlock, [1, 1, 1, 1], num_classes=5))
vision("resnext", lambda m: m.ResNet(m.resnet.Bottleneck, [1, 1, 1, 1], groups=4, width_per_group=4, num_classes=5))
vision("densenet", lambda m: m.DenseNet(4, (2, 2, 2, 2), 8, num_classes=5))
vision("mnasnet", lambda m: m.MNASNet(0.2, num_classes=5))
vision("shufflenet", lambda m: m.ShuffleNetV2([1, 1, 1], [8, 16, 24, 32, 48], num_classes=5))
vision("regnet", lambda m: m.RegNet(m.regnet.BlockParams.from_init_params(4, 8, 8.0, 2.0, 4, se_ratio=0.25),
                                    num_classes=5, stem_width=8))
vision("mobilenet-v2", lambda m: m.MobileNetV2(num_classes=5, width_mult=0.15))
vision("mobilenet-v3", lambda m: m.mobilenet_v3_small(num_classes=5, width_mult=0.3))
vision("efficientnet", lambda m: m.EfficientNet(
    [m.efficientnet.MBConvConfig(e, k, s, i, o, 1, width_mult=0.3) for e, k, s, i, o in
     [(1, 3, 1, 32, 16), (6, 3, 2, 16, 24), (6, 5, 2, 24, 40)]], dropout=0.1, num_classes=5))
vision("convnext", lambda m: m.ConvNeXt([m.convnext.CNBlockConfig(8, 16, 1), m.convnext.CNBlockConfig(16, None, 1)],
                                        num_classes=5))
vision("swin", lambda m: m.SwinTransformer([2, 2], 8, [2, 2], [2, 2], [4, 4], num_classes=5))
vision("swin-v2", lambda m: m.SwinTransformer([2, 2], 8, [2, 2], [2, 2], [4, 4], num_classes=5,
                                              block=m.swin_transformer.SwinTransformerBlockV2,
                                              downsample_layer=m.swin_transformer.PatchMergingV2))
vision("vit", lambda m: m.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=5))
vision("maxvit", lambda m: m.MaxVit((32, 32), 8, 4, [8, 16], [1, 1], 8, 0.0, num_classes=5))
vision("squeezenet", lambda m: m.SqueezeNet("1_1", num_classes=5))


@graph
def torchvision_inception(file):
    import torchvision.models as models

    export(models.Inception3(num_classes=5, aux_logits=False, init_weights=False), image(75), file)


@graph
def torchvision_deeplab(file):
    import torchvision.models as models
    from torchvision.models.segmentation.deeplabv3 import DeepLabHead, DeepLabV3

    body = models._utils.IntermediateLayerGetter(
        models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1]), {"layer2": "out"})
    export(DeepLabV3(body, DeepLabHead(128, 4, (2, 4))), image(32), file, outputs=["out"],
           dynamic={"input": {0: "batch", 2: "height", 3: "width"}})


@graph
def torchvision_lraspp_dynamo(file):
    import torchvision.models as models
    from torchvision.models.segmentation.lraspp import LRASPP

    body = models._utils.IntermediateLayerGetter(models.mobilenet_v3_small(width_mult=0.3).features,
                                                 {"1": "low", "8": "high"})
    export(LRASPP(body, body["1"].out_channels if hasattr(body["1"], "out_channels") else 8, 16, 3, 8), image(32), file,
           dynamo=True, outputs=["out"])


@graph
def torchvision_lraspp(file):
    import torchvision.models as models
    from torchvision.models.segmentation.lraspp import LRASPP

    body = models._utils.IntermediateLayerGetter(models.mobilenet_v3_small(width_mult=0.3).features,
                                                 {"1": "low", "8": "high"})
    export(LRASPP(body, 8, 16, 3, 8), image(32), file, outputs=["out"])


@graph
def torchvision_ssdlite(file):
    import torchvision.models.detection as d

    model = d.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=3, width_mult=0.25)
    export(model, ([image(320, 1)[0]],), file, outputs=["boxes", "scores", "labels"], dynamic=None)


def small_fpn():
    import torchvision.models as models
    from torchvision.models.detection.backbone_utils import BackboneWithFPN

    body = models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1])
    return BackboneWithFPN(body, {"layer1": "0", "layer2": "1"}, [64, 128], 16)


@graph
def torchvision_fasterrcnn(file):
    import torchvision.models.detection as d
    from torchvision.ops import MultiScaleRoIAlign

    anchors = d.rpn.AnchorGenerator(((8,), (16,), (32,)), ((0.5, 1.0),) * 3)
    model = d.FasterRCNN(small_fpn(), 3, min_size=64, max_size=64, rpn_anchor_generator=anchors,
                         box_roi_pool=MultiScaleRoIAlign(["0", "1"], 3, 2), rpn_post_nms_top_n_test=8,
                         box_detections_per_img=4)
    export(model, ([image(64, 1)[0]],), file, outputs=["boxes", "labels", "scores"], dynamic=None)


@graph
def torchvision_retinanet(file):
    import torchvision.models.detection as d

    anchors = d.anchor_utils.AnchorGenerator(((8,), (16,), (32,)), ((0.5, 1.0),) * 3)
    model = d.RetinaNet(small_fpn(), 3, min_size=64, max_size=64, anchor_generator=anchors, detections_per_img=4)
    export(model, ([image(64, 1)[0]],), file, outputs=["boxes", "scores", "labels"], dynamic=None)


@graph
def torchvision_r3d(file):
    import torch
    from torchvision.models import video

    model = video.resnet.VideoResNet(video.resnet.BasicBlock, [video.resnet.Conv3DSimple] * 4, [1, 1, 1, 1],
                                     video.resnet.BasicStem, num_classes=4)
    export(model, torch.randn(1, 3, 4, 16, 16), file)


# --- timm ------------------------------------------------------------------------------------------------------------


def timm_model(name, size=32, dynamo=False, **options):
    def maker(file):
        import timm

        export(timm.create_model(name, num_classes=5, **options), image(size), file, dynamo=dynamo)

    makers[f"timm-{name.replace('_', '-')}{'-dynamo' if dynamo else ''}"] = maker


for dynamo in (False, True):
    timm_model("efficientnet_b0", channel_multiplier=0.2, depth_multiplier=0.3, dynamo=dynamo)
    timm_model("mobilevit_xxs", 64, dynamo=dynamo)
    timm_model("coatnet_nano_rw_224", 32, img_size=32, dynamo=dynamo, embed_dim=(8, 8, 16, 16), depths=(1, 1, 1, 1),
               stem_width=8)
timm_model("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=2, embed_dim=24, num_heads=3)
timm_model("eva02_tiny_patch14_224", 28, img_size=28, depth=2, embed_dim=24, num_heads=3)
timm_model("beit_base_patch16_224", img_size=32, patch_size=8, depth=2, embed_dim=24, num_heads=3)
timm_model("mixer_s32_224", img_size=32, patch_size=8, num_blocks=2, embed_dim=16)
timm_model("convnextv2_atto", depths=(1, 1, 1, 1), dims=(8, 8, 16, 16))
timm_model("poolformer_s12", 64, layers=(1, 1, 1, 1), embed_dims=(8, 8, 16, 16))
timm_model("levit_128s", 64, img_size=64, embed_dim=(16, 16, 16), num_heads=(2, 2, 2), depth=(1, 1, 1))
timm_model("ghostnet_050", width=0.2)
timm_model("hrnet_w18_small", 64)
timm_model("resnest14d", stem_width=4)
timm_model("nfnet_f0", 32)
timm_model("edgenext_xx_small", 64, depths=(1, 1, 1, 1), dims=(8, 8, 16, 16), heads=(2, 2, 2, 2))
timm_model("xcit_nano_12_p16_224", 32, depth=2, embed_dim=16, num_heads=2)
timm_model("maxxvit_rmlp_nano_rw_256", 64, img_size=64, embed_dim=(8, 8, 16, 16), depths=(1, 1, 1, 1), stem_width=8)
timm_model("fastvit_t8", 64, layers=(1, 1, 1, 1), embed_dims=(8, 8, 16, 16))
timm_model("repvit_m0_9", 64, embed_dim=(8, 8, 16, 16), depth=(1, 1, 1, 1))
timm_model("tf_efficientnetv2_b0", channel_multiplier=0.2, depth_multiplier=0.3)
timm_model("inception_next_atto", 64, depths=(1, 1, 1, 1), dims=(8, 16, 16, 32))
timm_model("davit_tiny", 32, depths=(1, 1, 1, 1), embed_dims=(8, 8, 16, 16), num_heads=(1, 1, 2, 2))


# --- transformers ----------------------------------------------------------------------------------------------------


class Outputs:
    """Wraps a transformers model, so that it takes arrays by place and gives the tensors named."""

    def __new__(cls, model, names, *given):
        import torch

        class Wrapped(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, *arrays):
                found = self.model(**dict(zip(names, arrays)))
                return tuple(found[key] for key in given)

        return Wrapped()


TINY = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, vocab_size=64)


def transformer(name, make, given=("logits",), axes=None):
    """`make` gives (model, {input: tensor}); both exporters and an old opset are tried."""
    for kind, options in {"script": {}, "dynamo": {"dynamo": True}, "eager-13": {"opset": 13}}.items():
        def maker(file, kind=kind, options=options):
            import torch
            import transformers

            torch.manual_seed(0)
            model, inputs = make(transformers, torch, "eager" if kind == "eager-13" else "sdpa")
            names = list(inputs)
            open_axes = {n: {0: "batch", 1: "sequence"} if v.dim() == 2 else {0: "batch"} for n, v in inputs.items()}
            export(Outputs(model, names, *given), tuple(inputs.values()), file, names=names, outputs=list(given),
                   dynamic=axes or open_axes, **options)

        makers[f"transformers-{name}-{kind}"] = maker


def tokens(torch, batch=2, length=6, vocabulary=64):
    ids = torch.randint(3, vocabulary, (batch, length))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def encoder(kind, config, head="SequenceClassification", **options):
    def make(t, torch, attention):
        c = getattr(t, f"{config}Config")(**{**TINY, **options}, num_labels=3, attn_implementation=attention)
        return getattr(t, f"{kind}For{head}")(c), tokens(torch)

    return make


transformer("bert", encoder("Bert", "Bert"))
transformer("roberta", encoder("Roberta", "Roberta", max_position_embeddings=40))
transformer("distilbert", lambda t, torch, a: (t.DistilBertForSequenceClassification(t.DistilBertConfig(
    dim=16, n_layers=2, n_heads=2, hidden_dim=32, vocab_size=64, attn_implementation=a)), tokens(torch)))
transformer("deberta-v2", lambda t, torch, a: (t.DebertaV2ForSequenceClassification(t.DebertaV2Config(
    **TINY, relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=8)), tokens(torch)))
transformer("modernbert", lambda t, torch, a: (t.ModernBertForSequenceClassification(t.ModernBertConfig(
    **TINY, attn_implementation=a, pad_token_id=0)), tokens(torch)))
transformer("llama", lambda t, torch, a: (t.LlamaForCausalLM(t.LlamaConfig(
    **TINY, num_key_value_heads=1, attn_implementation=a, use_cache=False)), tokens(torch)))
transformer("gpt2", lambda t, torch, a: (t.GPT2LMHeadModel(t.GPT2Config(
    n_embd=16, n_layer=2, n_head=2, vocab_size=64, attn_implementation=a, use_cache=False)), tokens(torch)))
transformer("mamba", lambda t, torch, a: (t.MambaForCausalLM(t.MambaConfig(
    hidden_size=16, num_hidden_layers=2, state_size=4, vocab_size=64, use_cache=False)),
    {"input_ids": tokens(torch)["input_ids"]}))
transformer("t5", lambda t, torch, a: (t.T5ForConditionalGeneration(t.T5Config(
    d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, vocab_size=64, decoder_start_token_id=0, use_cache=False)),
    {**tokens(torch), "decoder_input_ids": torch.randint(0, 64, (2, 4))}))
transformer("bart", lambda t, torch, a: (t.BartForConditionalGeneration(t.BartConfig(
    d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
    encoder_ffn_dim=32, decoder_ffn_dim=32, vocab_size=64, use_cache=False, attn_implementation=a)),
    {**tokens(torch), "decoder_input_ids": torch.randint(3, 64, (2, 4))}))
transformer("vit", lambda t, torch, a: (t.ViTForImageClassification(t.ViTConfig(
    **{k: v for k, v in TINY.items() if k != "vocab_size"}, image_size=32, patch_size=8, attn_implementation=a,
    num_labels=3)), {"pixel_values": torch.randn(2, 3, 32, 32)}))
transformer("clip", lambda t, torch, a: (t.CLIPModel(t.CLIPConfig(
    text_config={**TINY, "projection_dim": 8, "eos_token_id": 2}, vision_config={
        **{k: v for k, v in TINY.items() if k != "vocab_size"}, "image_size": 32, "patch_size": 8, "projection_dim": 8},
    projection_dim=8, attn_implementation=a)), {**tokens(torch), "pixel_values": torch.randn(2, 3, 32, 32)}),
    ("logits_per_image", "text_embeds", "image_embeds"))
transformer("whisper", lambda t, torch, a: (t.WhisperForConditionalGeneration(t.WhisperConfig(
    d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
    encoder_ffn_dim=32, decoder_ffn_dim=32, vocab_size=64, num_mel_bins=8, max_source_positions=20, use_cache=False,
    pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1, attn_implementation=a)),
    {"input_features": torch.randn(2, 8, 40), "decoder_input_ids": torch.randint(3, 64, (2, 4))}))
transformer("wav2vec2", lambda t, torch, a: (t.Wav2Vec2ForCTC(t.Wav2Vec2Config(
    **{**TINY, "vocab_size": 12}, conv_dim=(8, 8), conv_stride=(5, 2), conv_kernel=(10, 3), num_feat_extract_layers=2,
    num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, attn_implementation=a)),
    {"input_values": torch.randn(2, 400)}))
transformer("layoutlm", lambda t, torch, a: (t.LayoutLMForTokenClassification(t.LayoutLMConfig(
    **TINY, num_labels=3)), {**tokens(torch), "bbox": torch.randint(0, 100, (2, 6, 4))}))
transformer("detr", lambda t, torch, a: (t.DetrForObjectDetection(t.DetrConfig(
    use_timm_backbone=False, backbone=None, use_pretrained_backbone=False,
    backbone_config=t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic",
                                   out_features=["stage2"]),
    d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
    encoder_ffn_dim=16, decoder_ffn_dim=16, num_queries=4, num_labels=3)),
    {"pixel_values": torch.randn(1, 3, 32, 32)}), ("logits", "pred_boxes"))
transformer("segformer", lambda t, torch, a: (t.SegformerForSemanticSegmentation(t.SegformerConfig(
    depths=[1, 1], hidden_sizes=[8, 16], num_encoder_blocks=2, sr_ratios=[2, 1], num_attention_heads=[1, 2],
    patch_sizes=[7, 3], strides=[4, 2], mlp_ratios=[2, 2], decoder_hidden_size=8, num_labels=3)),
    {"pixel_values": torch.randn(2, 3, 32, 32)}))
transformer("vits", lambda t, torch, a: (t.VitsModel(t.VitsConfig(
    **{k: v for k, v in TINY.items() if k not in ("intermediate_size",)}, ffn_dim=16, flow_size=8,
    spectrogram_bins=9, prior_encoder_num_flows=1, upsample_initial_channel=8, upsample_rates=[2, 2],
    upsample_kernel_sizes=[4, 4], resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1, 3]], num_speakers=1,
    posterior_encoder_num_wavenet_layers=1, duration_predictor_num_flows=1, prior_encoder_num_wavenet_layers=1,
    depth_separable_num_layers=1, duration_predictor_filter_channels=8)), tokens(torch)), ("waveform",))
transformer("mixtral", lambda t, torch, a: (t.MixtralForCausalLM(t.MixtralConfig(
    **TINY, num_key_value_heads=1, num_local_experts=2, num_experts_per_tok=1, use_cache=False,
    attn_implementation=a)), tokens(torch)))
transformer("patchtst", lambda t, torch, a: (t.PatchTSTForPrediction(t.PatchTSTConfig(
    num_input_channels=2, context_length=16, prediction_length=4, patch_length=4, patch_stride=4, d_model=8,
    num_attention_heads=2, num_hidden_layers=1, ffn_dim=16)), {"past_values": torch.randn(2, 16, 2)}),
    ("prediction_outputs",))


def past(dynamo):
    def maker(file):
        import torch
        import transformers as t

        torch.manual_seed(0)
        model = t.GPT2LMHeadModel(t.GPT2Config(n_embd=16, n_layer=1, n_head=2, vocab_size=64))

        class Step(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, input_ids, attention_mask, key, value):
                cache = t.DynamicCache()
                cache.update(key, value, 0)
                found = self.model(input_ids=input_ids, attention_mask=attention_mask, past_key_values=cache)
                layer = found.past_key_values.layers[0]
                return found.logits, layer.keys, layer.values

        names = ["input_ids", "attention_mask", "past.key", "past.value"]
        past_axes = {0: "batch", 2: "past"}
        export(Step(), (torch.randint(0, 64, (2, 3)), torch.ones(2, 7, dtype=torch.int64), torch.randn(2, 2, 4, 8),
                        torch.randn(2, 2, 4, 8)), file, dynamo=dynamo, names=names,
               outputs=["logits", "present.key", "present.value"],
               dynamic={"input_ids": {0: "batch", 1: "sequence"}, "attention_mask": {0: "batch", 1: "total"},
                        "past.key": past_axes, "past.value": past_axes})

    return maker


makers["transformers-gpt2-past-script"] = past(False)
makers["transformers-gpt2-past-dynamo"] = past(True)


# --- plain torch, every opset ----------------------------------------------------------------------------------------


def torch_modules():
    import torch
    from torch import nn

    class Recurrent(nn.Module):
        def __init__(self, kind, **options):
            super().__init__()
            self.embed = nn.Embedding(20, 6)
            self.cell = kind(6, 8, batch_first=True, **options)
            self.head = nn.Linear(16 if options.get("bidirectional") else 8, 3)

        def forward(self, ids):
            return self.head(self.cell(self.embed(ids))[0])

    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.LSTM(4, 5, batch_first=True, bidirectional=True)

        def forward(self, x, lengths):
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            out, (h, _) = self.cell(packed)
            return nn.utils.rnn.pad_packed_sequence(out, batch_first=True)[0], h

    class Attend(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, q, k):
            return self.attention(q, k, k)

    class Policy(nn.Module):
        def __init__(self, draw):
            super().__init__()
            self.draw = draw
            self.body = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh())
            self.mean = nn.Linear(16, 2)
            self.log_std = nn.Parameter(torch.zeros(2))
            self.value = nn.Linear(16, 1)

        def forward(self, obs):
            h = self.body(obs)
            mean = self.mean(h)
            if not self.draw:
                return mean.argmax(1), self.value(h)
            action = torch.clamp(mean + torch.randn_like(mean) * self.log_std.exp(), -1, 1)
            logp = (-((action - mean) ** 2) / (2 * (2 * self.log_std).exp()) - self.log_std).sum(1)
            return action, self.value(h), logp

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.PReLU(8))
            self.b = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, padding=1), nn.InstanceNorm2d(8, affine=True), nn.SiLU())
            self.up = nn.ConvTranspose2d(8, 8, 2, 2)
            self.out = nn.Conv2d(16, 2, 1)

        def forward(self, x):
            a = self.a(x)
            return self.out(torch.cat([a, self.up(self.b(a))], 1))

    class Scatter(nn.Module):
        def __init__(self):
            super().__init__()
            self.lin = nn.Linear(5, 4)
            self.att = nn.Linear(8, 1)

        def forward(self, x, edges):
            h = self.lin(x)
            src, dst = edges[0], edges[1]
            e = torch.nn.functional.leaky_relu(self.att(torch.cat([h[src], h[dst]], 1)), 0.2).squeeze(1)
            top = torch.full((x.shape[0],), -1e9).scatter_reduce(0, dst, e, "amax")
            w = torch.exp(e - top[dst])
            total = torch.zeros(x.shape[0]).scatter_add(0, dst, w)
            out = torch.zeros(x.shape[0], 4).index_add(0, dst, h[src] * (w / total[dst]).unsqueeze(1))
            return out

    class Many(nn.Module):
        """Functions that small models use."""

        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.randn(6, 6) * 0.3)

        def forward(self, x):
            y = x @ self.w
            z = torch.logsumexp(y, 1, keepdim=True) + torch.cumsum(y, 1) + torch.nn.functional.softplus(y)
            z = z + y.topk(3, 1).values.sum(1, keepdim=True) + torch.where(y > 0, y, y * 0.1)
            z = z + torch.einsum("bi,ij->bj", y, self.w) + torch.norm(y, dim=1, keepdim=True)
            z = z + torch.nn.functional.gelu(y, approximate="tanh") + torch.roll(y, 1, 1) + y.var(1, keepdim=True)
            z = torch.nn.functional.pad(z, (1, 1), mode="constant")[:, 1:-1] + torch.sort(y, 1).values
            z = z + torch.std_mean(y, 1, keepdim=True)[0] + torch.atan2(y, x) + torch.nn.functional.hardtanh(y)
            return z.flip(1).clamp(min=-50), y.max(1).values, torch.nn.functional.normalize(y, dim=1)

    transformer_net = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
    encoder_net = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu"), 2)
    ids = torch.randint(0, 20, (2, 5))
    seq = torch.randn(2, 5, 8)
    seq_axes = {"input": {0: "batch", 1: "tokens"}}
    two = {"input0": {0: "batch", 1: "queries"}, "input1": {0: "batch", 1: "keys"}}
    return {
        "lstm": (Recurrent(nn.LSTM, bidirectional=True, num_layers=2), ids, seq_axes),
        "gru": (Recurrent(nn.GRU), ids, seq_axes),
        "rnn": (Recurrent(nn.RNN, nonlinearity="relu"), ids, seq_axes),
        "packed": (Packed(), (torch.randn(3, 5, 4), torch.tensor([5, 2, 3])),
                   {"input0": {0: "batch", 1: "tokens"}, "input1": {0: "batch"}}),
        "attention": (Attend(), (seq, torch.randn(2, 3, 8)), two),
        "transformer": (transformer_net, (seq, torch.randn(2, 3, 8)), two),
        "encoder": (encoder_net, seq, seq_axes),
        "policy-normal": (Policy(True), torch.randn(2, 6), True),
        "policy-argmax": (Policy(False), torch.randn(2, 6), True),
        "unet": (UNet(), torch.randn(2, 3, 16, 16), {"input": {0: "batch", 2: "height", 3: "width"}}),
        "scatter": (Scatter(), (torch.randn(4, 5), torch.tensor([[0, 1, 2, 3, 0], [1, 2, 3, 0, 2]])),
                    {"input0": {0: "nodes"}, "input1": {1: "edges"}}),
        "functions": (Many(), torch.randn(3, 6), True),
    }


for name in ("lstm", "gru", "rnn", "packed", "attention", "transformer", "encoder", "policy-normal", "policy-argmax",
             "unet", "scatter", "functions"):
    for kind, options in {"9": {"opset": 9}, "11": {"opset": 11}, "14": {"opset": 14}, "17": {"opset": 17},
                          "20": {"opset": 20}, "dynamo-18": {"dynamo": True, "opset": 18},
                          "dynamo-23": {"dynamo": True, "opset": 23},
                          "raw-17": {"opset": 17, "do_constant_folding": False, "keep_initializers_as_inputs": True,
                                     "export_modules_as_functions": False},
                          "external-18": {"dynamo": True, "opset": 18, "external_data": True,
                                          "optimize": False}}.items():
        def maker(file, name=name, options=dict(options)):
            import torch

            torch.manual_seed(0)
            options.pop("export_modules_as_functions", None)
            module, inputs, axes = torch_modules()[name]
            export(module, inputs, file, dynamic=axes, **options)

        makers[f"torch-{name}-{kind}"] = maker

# --- ONNX Runtime's own tools, onnxslim -------------------------------------------------------------------------------


def beside(file, name):
    """A file that another maker writes, made now where it is missing."""
    other = file.with_name(f"{name}.onnx")
    if not other.exists():
        makers[name](other)
    return other


def optimised(source, model_type, fp16=False, **options):
    def maker(file):
        from onnxruntime.transformers import optimizer

        model = optimizer.optimize_model(str(beside(file, source)), model_type=model_type, opt_level=0, num_heads=2,
                                         hidden_size=16, **options)
        if fp16:
            model.convert_float_to_float16(keep_io_types=False)
        model.save_model_to_file(str(file))

    makers[f"ort-{source.replace('transformers-', '')}{'-fp16' if fp16 else ''}"] = maker


for fp16 in (False, True):
    optimised("transformers-bert-eager-13", "bert", fp16)
    optimised("transformers-gpt2-eager-13", "gpt2", fp16)
    optimised("transformers-gpt2-past-script", "gpt2", fp16)
    optimised("transformers-vit-eager-13", "vit", fp16)
    optimised("transformers-clip-eager-13", "clip", fp16)
    optimised("transformers-bart-eager-13", "bart", fp16)
    optimised("transformers-t5-eager-13", "t5", fp16)
    optimised("transformers-llama-dynamo", "gpt2", fp16)
    optimised("transformers-whisper-eager-13", "bart", fp16)


def ort_level(source, level):
    """What a session saves after its own optimisations."""

    def maker(file):
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_ENABLE_{level.upper()}")
        options.optimized_model_filepath = str(file)
        options.log_severity_level = 4
        ort.InferenceSession(str(beside(file, source)), options, providers=["CPUExecutionProvider"])

    makers[f"ort-{level}-{source.replace('transformers-', '')}"] = maker


for level in ("basic", "extended", "all"):
    for source in ("transformers-bert-script", "transformers-llama-dynamo", "torchvision-resnet-script", "torch-unet-17",
                   "transformers-vit-dynamo", "torchvision-mobilenet-v3-script"):
        ort_level(source, level)


def quantised(source, kind):
    def maker(file):
        import numpy
        import onnx
        import onnxruntime.quantization as q

        model = beside(file, source)
        if kind == "dynamic":
            return q.quantize_dynamic(str(model), str(file))
        if kind.startswith("nbits"):
            from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

            wide = MatMulNBitsQuantizer(onnx.load(str(model)), bits=int(kind[-1]), block_size=16, is_symmetric=kind[5] == "s")
            wide.process()
            return wide.model.save_model_to_file(str(file))
        inputs = onnx.load(str(model)).graph.input

        class Reader(q.CalibrationDataReader):
            def __init__(self):
                draw = numpy.random.default_rng(0)
                self.left = [{i.name: self.array(draw, i.type.tensor_type) for i in inputs} for _ in range(2)]

            @staticmethod
            def array(draw, kind):
                dims = [d.dim_value or 4 for d in kind.shape.dim]
                return (draw.standard_normal(dims).astype("float32") if kind.elem_type == 1
                        else draw.integers(1, 2, dims))

            def get_next(self):
                return self.left.pop() if self.left else None

        forms = {"qdq": q.QuantFormat.QDQ, "qoperator": q.QuantFormat.QOperator}
        q.quantize_static(str(model), str(file), Reader(), quant_format=forms[kind.split("-")[0]],
                          per_channel=kind.endswith("channel"),
                          activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8)

    makers[f"{kind}-{source.replace('transformers-', '').replace('torchvision-', '')}"] = maker


for source in ("torchvision-resnet-script", "torchvision-mobilenet-v3-script", "torchvision-shufflenet-script"):
    for kind in ("qdq", "qdq-channel", "qoperator", "qoperator-channel", "dynamic"):
        quantised(source, kind)
for source in ("transformers-bert-script", "transformers-gpt2-eager-13", "transformers-llama-dynamo", "torch-lstm-17",
               "transformers-vit-dynamo", "transformers-whisper-script"):
    for kind in ("dynamic", "nbitsn4", "nbitss4", "nbitss8", "qdq", "qoperator"):
        quantised(source, kind)


def slimmed(source):
    def maker(file):
        import onnxslim

        onnxslim.slim(str(beside(file, source)), str(file))

    makers[f"slim-{source}"] = maker


for source in ("transformers-bert-script", "torchvision-swin-script", "transformers-detr-script", "torch-lstm-11"):
    slimmed(source)


@graph
def fp16_resnet(file):
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(str(beside(file, "torchvision-resnet-script"))), keep_io_types=True),
              str(file))


# --- audio, graphs ---------------------------------------------------------------------------------------------------


def audio(dynamo):
    def spectrogram(file):
        import torch
        import torchaudio

        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.mel = torchaudio.transforms.MelSpectrogram(16000, n_fft=64, hop_length=32, n_mels=8)
                self.net = torch.nn.GRU(8, 6, batch_first=True)
                self.head = torch.nn.Linear(6, 3)

            def forward(self, wave):
                return self.head(self.net(torch.log(self.mel(wave) + 1e-6).transpose(1, 2))[0][:, -1])

        export(Net(), torch.randn(2, 512), file, dynamo=dynamo, names=["waveform"])

    def conformer(file):
        import torch
        import torchaudio

        net = torchaudio.models.Conformer(8, 2, 16, 1, 3)
        export(net, (torch.randn(2, 6, 8), torch.tensor([6, 4])), file, dynamo=dynamo, names=["features", "lengths"],
               dynamic={"features": {0: "batch", 1: "frames"}, "lengths": {0: "batch"}})

    def tcn(file):
        import torch
        import torchaudio

        net = torchaudio.models.ConvTasNet(2, 4, 8, 3, 4, 8, 2, 1)
        export(net, torch.randn(1, 1, 64), file, dynamo=dynamo, names=["waveform"])

    kind = "dynamo" if dynamo else "script"
    makers[f"torchaudio-mel-{kind}"] = spectrogram
    makers[f"torchaudio-conformer-{kind}"] = conformer
    makers[f"torchaudio-tasnet-{kind}"] = tcn


audio(False)
audio(True)


def geometric(layer):
    def maker(file):
        import torch
        import torch_geometric.nn as gnn

        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.a = getattr(gnn, layer)(5, 4) if layer != "GINConv" else gnn.GINConv(torch.nn.Linear(5, 4))
                self.b = getattr(gnn, layer)(4, 3) if layer != "GINConv" else gnn.GINConv(torch.nn.Linear(4, 3))

            def forward(self, x, edge_index):
                return self.b(torch.relu(self.a(x, edge_index)), edge_index)

        export(Net(), (torch.randn(4, 5), torch.tensor([[0, 1, 2, 3, 0], [1, 2, 3, 0, 2]])), file,
               names=["x", "edge_index"], dynamic={"x": {0: "nodes"}, "edge_index": {1: "edges"}})

    makers[f"geometric-{layer.lower()}"] = maker


for layer in ("GCNConv", "GATConv", "SAGEConv", "GINConv"):
    geometric(layer)


# --- scikit-learn, xgboost, lightgbm, catboost -----------------------------------------------------------------------


def table():
    import numpy

    draw = numpy.random.default_rng(0)
    x = draw.standard_normal((60, 4)).astype("float32")
    return x, (x[:, 0] + x[:, 1] > 0).astype("int64") + (x[:, 2] > 1)


def sklearn(name, make, **options):
    def maker(file):
        from skl2onnx import to_onnx

        x, y = table()
        file.write_bytes(to_onnx(make().fit(x, y), x[:1], **options).SerializeToString())

    makers[f"sklearn-{name}"] = maker


def pipe(*steps):
    from sklearn.pipeline import make_pipeline

    return make_pipeline(*steps)


def lazily(path, **options):
    import importlib

    module, name = path.rsplit(".", 1)
    return getattr(importlib.import_module(f"sklearn.{module}"), name)(**options)


sklearn("logistic", lambda: pipe(lazily("preprocessing.StandardScaler"), lazily("linear_model.LogisticRegression")))
sklearn("logistic-array", lambda: pipe(lazily("preprocessing.StandardScaler"), lazily("linear_model.LogisticRegression")),
        options={"zipmap": False})
sklearn("mlp", lambda: pipe(lazily("preprocessing.MinMaxScaler"), lazily("neural_network.MLPClassifier", max_iter=5)))
sklearn("mlp-array", lambda: pipe(lazily("preprocessing.MinMaxScaler"),
                                  lazily("neural_network.MLPClassifier", max_iter=5)), options={"zipmap": False})
sklearn("mlp-regressor", lambda: lazily("neural_network.MLPRegressor", max_iter=5))
sklearn("linear", lambda: lazily("linear_model.LinearRegression"))
sklearn("forest", lambda: lazily("ensemble.RandomForestClassifier", n_estimators=3, max_depth=3))
sklearn("boosting", lambda: lazily("ensemble.GradientBoostingRegressor", n_estimators=3))
sklearn("svc", lambda: lazily("svm.SVC", probability=True))
sklearn("knn", lambda: lazily("neighbors.KNeighborsClassifier"))
sklearn("pca-svr", lambda: pipe(lazily("decomposition.PCA", n_components=2), lazily("svm.SVR")))
sklearn("kmeans", lambda: lazily("cluster.KMeans", n_clusters=3))
sklearn("bayes", lambda: lazily("naive_bayes.GaussianNB"))
sklearn("gaussian-process", lambda: lazily("gaussian_process.GaussianProcessRegressor"))


@graph
def sklearn_text(file):
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import StringTensorType
    from sklearn.feature_extraction.text import TfidfVectorizer

    model = pipe(TfidfVectorizer(), lazily("linear_model.LogisticRegression"))
    model.fit(["a good film", "a bad film", "good good", "bad bad day"], [1, 0, 1, 0])
    file.write_bytes(to_onnx(model, initial_types=[("text", StringTensorType([None, 1]))]).SerializeToString())


@graph
def sklearn_columns(file):
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.compose import ColumnTransformer
    import numpy
    import pandas

    frame = pandas.DataFrame({"age": numpy.float32([1, 2, 3, 4]), "city": ["a", "b", "a", "c"]})
    steps = ColumnTransformer([("n", lazily("preprocessing.StandardScaler"), ["age"]),
                               ("c", lazily("preprocessing.OneHotEncoder", handle_unknown="ignore"), ["city"])])
    model = pipe(steps, lazily("neural_network.MLPClassifier", max_iter=3)).fit(frame, [0, 1, 0, 1])
    types = [("age", FloatTensorType([None, 1])), ("city", StringTensorType([None, 1]))]
    file.write_bytes(to_onnx(model, initial_types=types, options={"zipmap": False}).SerializeToString())


@graph
def xgboost_classifier(file):
    import xgboost
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    x, y = table()
    model = xgboost.XGBClassifier(n_estimators=3, max_depth=2).fit(x, y)
    file.write_bytes(convert_xgboost(model, initial_types=[("input", FloatTensorType([None, 4]))]).SerializeToString())


@graph
def lightgbm_regressor(file):
    import lightgbm
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    x, y = table()
    model = lightgbm.LGBMRegressor(n_estimators=3, min_child_samples=2).fit(x, y)
    file.write_bytes(convert_lightgbm(model, initial_types=[("input", FloatTensorType([None, 4]))]).SerializeToString())


@graph
def catboost_classifier(file):
    import catboost

    x, y = table()
    catboost.CatBoostClassifier(iterations=3, depth=2, verbose=0, allow_writing_files=False).fit(x, y).save_model(
        str(file), format="onnx")


# --- Keras by tf2onnx, PaddlePaddle ----------------------------------------------------------------------------------


def keras_model(name, make, shape, dtype="float32"):
    def maker(file):
        import tensorflow as tf
        import tf2onnx

        tf.random.set_seed(0)
        model = make(tf.keras)
        function = tf.function(lambda x: model(x, training=False),
                               input_signature=[tf.TensorSpec([None, *shape], dtype, name="x")])
        tf2onnx.convert.from_function(function, input_signature=function.input_signature, opset=15,
                                      output_path=str(file))

    makers[f"keras-{name}"] = maker


keras_model("cnn", lambda k: k.Sequential([
    k.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"), k.layers.BatchNormalization(),
    k.layers.DepthwiseConv2D(3, padding="same"), k.layers.SeparableConv2D(8, 3), k.layers.MaxPooling2D(),
    k.layers.Conv2DTranspose(4, 3, strides=2, padding="same"), k.layers.GlobalAveragePooling2D(),
    k.layers.Dense(3, activation="softmax")]), (16, 16, 3))
keras_model("flatten", lambda k: k.Sequential([
    k.layers.Conv2D(8, 3, activation="swish"), k.layers.AveragePooling2D(2, padding="same"),
    k.layers.UpSampling2D(interpolation="bilinear"), k.layers.Flatten(), k.layers.Dense(3)]), (8, 8, 3))
keras_model("lstm", lambda k: k.Sequential([
    k.layers.Embedding(20, 6), k.layers.Bidirectional(k.layers.LSTM(5, return_sequences=True)),
    k.layers.GRU(4), k.layers.Dense(2)]), (7,), "int32")
keras_model("mobilenet-v2", lambda k: k.applications.MobileNetV2((32, 32, 3), alpha=0.35, weights=None, classes=3),
            (32, 32, 3))
keras_model("efficientnet", lambda k: k.applications.EfficientNetB0(input_shape=(32, 32, 3), weights=None, classes=3),
            (32, 32, 3))


def keras_functional(name, build, shape, dtype="float32"):
    def make(k):
        x = k.Input(shape, dtype=dtype)
        return k.Model(x, build(k, x))

    keras_model(name, make, shape, dtype)


def attention_block(k, x):
    h = k.layers.LayerNormalization()(k.layers.Embedding(20, 8)(x))
    h = h + k.layers.MultiHeadAttention(2, 4)(h, h)
    return k.layers.Dense(2)(k.layers.GlobalAveragePooling1D()(k.layers.Dense(8, activation="gelu")(h)))


keras_functional("attention", attention_block, (6,), "int32")
keras_functional("conv1d", lambda k, x: k.layers.Dense(2)(k.layers.GlobalMaxPooling1D()(k.layers.Conv1D(
    8, 3, padding="causal", dilation_rate=2, activation="elu")(x))), (12, 4))


@graph
def keras_native_export(file):
    import tensorflow as tf

    model = tf.keras.Sequential([tf.keras.Input((8, 8, 3)), tf.keras.layers.Conv2D(4, 3, activation="relu"),
                                 tf.keras.layers.Flatten(), tf.keras.layers.Dense(3)])
    model(tf.zeros([1, 8, 8, 3]))
    model.export(str(file), format="onnx", verbose=False)


def paddle_model(name, make, shape, dtype="float32"):
    def maker(file):
        import paddle

        paddle.seed(0)
        model = make(paddle)
        model.eval()
        paddle.onnx.export(model, str(file.with_suffix("")),
                           input_spec=[paddle.static.InputSpec([None, *shape], dtype, "x")], opset_version=13)

    makers[f"paddle-{name}"] = maker


paddle_model("cnn", lambda p: p.nn.Sequential(
    p.nn.Conv2D(3, 8, 3, padding=1), p.nn.BatchNorm2D(8), p.nn.Hardswish(), p.nn.MaxPool2D(2),
    p.nn.Upsample(scale_factor=2, mode="bilinear"), p.nn.AdaptiveAvgPool2D(1), p.nn.Flatten(), p.nn.Linear(8, 3)),
    (3, 16, 16))
paddle_model("encoder", lambda p: p.nn.TransformerEncoder(p.nn.TransformerEncoderLayer(8, 2, 16), 1), (5, 8))
paddle_model("lstm", lambda p: p.nn.LSTM(4, 5, direction="bidirect"), (6, 4))
paddle_model("mobilenet", lambda p: p.vision.models.MobileNetV3Small(scale=0.25, num_classes=3), (3, 32, 32))

# --- by hand: what old and unusual exporters write -------------------------------------------------------------------


def by_hand(name, opset, inputs, outputs, nodes, weights, domains=(), functions=(), ir=8, opset_of=()):
    """`inputs`, `outputs`: {name: (type, dims)}; `weights`: {name: array}; `nodes`: what make_node takes."""

    def maker(file):
        import numpy
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        draw = numpy.random.default_rng(0)
        info = lambda ports: [helper.make_tensor_value_info(n, getattr(TensorProto, t), d) for n, (t, d) in ports.items()]
        arrays = {n: draw.standard_normal(v).astype("float32") * 0.4 if isinstance(v, tuple) else numpy.array(v, "float32" if isinstance(v, float) else None)
                  for n, v in weights.items()}
        made = [helper.make_node(op, i, o, **(a[0] if a else {})) for op, i, o, *a in nodes(helper)]
        model = helper.make_model(
            helper.make_graph(made, name, info(inputs), info(outputs),
                              [numpy_helper.from_array(v, n) for n, v in arrays.items()]),
            opset_imports=[helper.make_opsetid("", opset), *(helper.make_opsetid(*d) for d in domains)],
            functions=[f(helper) for f in functions], ir_version=ir)
        onnx.save(model, str(file))

    makers[f"hand-{name}"] = maker


by_hand("mxnet-7", 7, {"data": ("FLOAT", [2, 3, 16, 16]), "w": ("FLOAT", [4, 3, 3, 3]), "slope": ("FLOAT", [4, 1, 1])},
        {"prob": ("FLOAT", [2, 3])}, lambda h: [
            ("Abs", ["v"], ["var"]), ("BatchNormalization", ["data", "g", "b", "m", "var"], ["bn"], {"epsilon": 2e-5, "momentum": 0.9, "spatial": 1}),
            ("Conv", ["bn", "w"], ["c"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "auto_pad": "NOTSET"}),
            ("PRelu", ["c", "slope"], ["p"]),
            ("LRN", ["p"], ["l"], {"size": 3}),
            ("AveragePool", ["l"], ["a"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
            ("Upsample", ["a"], ["u"], {"mode": "nearest", "scales": [1.0, 1.0, 2.0, 2.0]}),
            ("Pad", ["u"], ["pad"], {"mode": "reflect", "pads": [0, 0, 1, 1, 0, 0, 1, 1]}),
            ("Slice", ["pad"], ["s"], {"axes": [2, 3], "starts": [1, 1], "ends": [9, 9]}),
            ("Dropout", ["s"], ["d"], {"ratio": 0.5}),
            ("Flatten", ["d"], ["f"]),
            ("Gemm", ["f", "fw", "fb"], ["y"], {"transB": 1, "alpha": 1.0}),
            ("Softmax", ["y"], ["prob"]),
        ], {"w": (4, 3, 3, 3), "slope": (4, 1, 1), "g": (3,), "b": (3,), "m": (3,), "v": (3,),
            "fw": (3, 256), "fb": (3,)}, ir=3)

by_hand("cntk-7", 7, {"x": ("FLOAT", ["None", 1, 6])}, {"y": ("FLOAT", ["None", 1, 2])}, lambda h: [
    ("Add", ["x", "bias"], ["a"]), ("MatMul", ["a", "w"], ["m"]), ("HardSigmoid", ["m"], ["hs"], {"alpha": 0.3}),
    ("Max", ["m", "hs"], ["mx"]), ("Mean", ["mx", "m"], ["mean"]), ("Scaler", ["mean"], ["sc"], {"domain": "ai.onnx.ml", "scale": [2.0], "offset": [0.5]}),
    ("MatMul", ["sc", "w2"], ["y"])], {"bias": (1, 6), "w": (6, 4), "w2": (4, 2)}, domains=[("ai.onnx.ml", 1)], ir=3)

by_hand("softmax-flat-8", 8, {"x": ("FLOAT", ["N", 2, 6])}, {"y": ("FLOAT", None), "z": ("FLOAT", None)}, lambda h: [
    ("MatMul", ["x", "w"], ["m"]), ("Softmax", ["m"], ["y"], {"axis": 1}), ("LogSoftmax", ["m"], ["z"], {"axis": 1})],
    {"w": (6, 3)}, ir=4)


def branch(h, name, nodes, outputs):
    return h.make_graph([h.make_node(op, i, o, **(a[0] if a else {})) for op, i, o, *a in nodes], name, [],
                        [h.make_tensor_value_info(o, 1, None) for o in outputs])


by_hand("if-captured", 13, {"x": ("FLOAT", ["batch", 4])}, {"y": ("FLOAT", ["batch", 3])}, lambda h: [
    ("MatMul", ["x", "w"], ["h"]), ("ReduceSum", ["h"], ["s"], {"keepdims": 0}), ("Greater", ["s", "zero"], ["c"]),
    ("If", ["c"], ["y"], {
        "then_branch": branch(h, "t", [("Mul", ["h", "scale"], ["ty"])], ["ty"]),
        "else_branch": branch(h, "e", [("Relu", ["h"], ["er"]), ("Add", ["er", "scale"], ["ey"])], ["ey"])})],
    {"w": (4, 3), "scale": (3,), "zero": 0.0})


def loop_nodes(h):
    v = h.make_tensor_value_info
    body = h.make_graph([h.make_node("MatMul", ["state", "w"], ["m"]), h.make_node("Add", ["m", "x"], ["a"]),
                         h.make_node("Tanh", ["a"], ["next"]), h.make_node("Mul", ["next", "scale"], ["seen"]),
                         h.make_node("Identity", ["go"], ["go_on"])], "body",
                        [v("i", 7, []), v("go", 9, []), v("state", 1, None)],
                        [v("go_on", 9, []), v("next", 1, None), v("seen", 1, None)])
    return [("Loop", ["count", "yes", "x"], ["last", "all"], {"body": body})]


by_hand("loop-captured", 13, {"x": ("FLOAT", ["batch", 4])}, {"last": ("FLOAT", ["batch", 4]), "all": ("FLOAT", None)},
        loop_nodes, {"w": (4, 4), "scale": (4,), "count": 3, "yes": True})


def loop_on_length(h):
    first, *_ = loop_nodes(h)
    return [("Shape", ["steps"], ["dims"]), ("Squeeze", ["dims"], ["count"]), first]


by_hand("loop-length", 13, {"x": ("FLOAT", ["batch", 4]), "steps": ("FLOAT", ["time"])},
        {"last": ("FLOAT", ["batch", 4]), "all": ("FLOAT", None)}, loop_on_length,
        {"w": (4, 4), "scale": (4,), "yes": True})

by_hand("sequence", 17, {"x": ("FLOAT", ["batch", 6])}, {"y": ("FLOAT", None)}, lambda h: [
    ("MatMul", ["x", "w"], ["m"]), ("SplitToSequence", ["m", "two"], ["s"], {"axis": 1}),
    ("SequenceAt", ["s", "one"], ["a"]), ("SequenceInsert", ["s", "a", "zero"], ["s2"]),
    ("ConcatFromSequence", ["s2"], ["y"], {"axis": 1})],
    {"w": (6, 4), "two": 2, "one": 1, "zero": 0})

by_hand("strings", 17, {"x": ("FLOAT", ["batch", 3]), "city": ("STRING", ["batch", 1])},
        {"y": ("FLOAT", ["batch", 2]), "name": ("STRING", ["batch", 1])}, lambda h: [
    ("LabelEncoder", ["city"], ["id"], {"domain": "ai.onnx.ml", "keys_strings": ["a", "b"], "values_int64s": [0, 1], "default_int64": 2}),
    ("Gather", ["table", "id"], ["e"], {"axis": 0}), ("Squeeze", ["e", "one"], ["e2"]),
    ("Concat", ["x", "e2"], ["c"], {"axis": 1}), ("Gemm", ["c", "w"], ["y"]), ("Identity", ["city"], ["name"])],
    {"table": (3, 2), "w": (5, 2), "one": [1]}, domains=[("ai.onnx.ml", 2)])

by_hand("custom-domain", 17, {"x": ("FLOAT", ["batch", 4])}, {"y": ("FLOAT", ["batch", 2])}, lambda h: [
    ("MatMul", ["x", "w"], ["m"]), ("Wobble", ["m"], ["q"], {"domain": "acme.ops", "strength": 2}), ("MatMul", ["q", "v"], ["y"])],
    {"w": (4, 3), "v": (3, 2)}, domains=[("acme.ops", 1)])

by_hand("function-nested", 18, {"x": ("FLOAT", ["batch", 4])}, {"y": ("FLOAT", None)}, lambda h: [
    ("Block", ["x", "w", "b"], ["a"], {"domain": "local", "alpha": 0.2}), ("Block", ["a", "w", "b"], ["y"], {"domain": "local"})],
    {"w": (4, 4), "b": (4,)}, domains=[("local", 1)], functions=[
        lambda h: h.make_function("local", "Dense", ["x", "w", "b"], ["y"], [
            h.make_node("MatMul", ["x", "w"], ["m"]), h.make_node("Add", ["m", "b"], ["y"])], [h.make_opsetid("", 18)]),
        lambda h: h.make_function("local", "Block", ["x", "w", "b"], ["y"], [
            h.make_node("Dense", ["x", "w", "b"], ["d"], domain="local"), leaky(h)],
            [h.make_opsetid("", 18), h.make_opsetid("local", 1)], attributes=[],
            attribute_protos=[h.make_attribute("alpha", 0.1)])])


def leaky(h):
    import onnx

    node = h.make_node("LeakyRelu", ["d"], ["y"])
    node.attribute.append(onnx.AttributeProto(name="alpha", type=onnx.AttributeProto.FLOAT, ref_attr_name="alpha"))
    return node


by_hand("double", 17, {"x": ("DOUBLE", ["batch", 4])}, {"y": ("DOUBLE", ["batch", 2])}, lambda h: [
    ("Cast", ["w"], ["wd"], {"to": 11}), ("MatMul", ["x", "wd"], ["m"]), ("Tanh", ["m"], ["y"])], {"w": (4, 2)})

by_hand("optional", 18, {"x": ("FLOAT", ["batch", 4])}, {"y": ("FLOAT", None)}, lambda h: [
    ("MatMul", ["x", "w"], ["m"]), ("Optional", ["m"], ["o"]), ("OptionalHasElement", ["o"], ["has"]),
    ("OptionalGetElement", ["o"], ["g"]), ("Cast", ["has"], ["f"], {"to": 1}), ("Mul", ["g", "f"], ["y"])], {"w": (4, 2)})


# --- run -------------------------------------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)

    def late(*_):
        raise TimeoutError(f"no file within {SECONDS} s")

    signal.signal(signal.SIGALRM, late)
    for name, make in makers.items():
        file = arguments.folder / f"{name}.onnx"
        if arguments.only not in name or file.exists():
            continue
        signal.alarm(SECONDS)
        try:
            seed()
            make(file)
            print(f"{name}: {file.stat().st_size} bytes", flush=True)
        except Exception as error:
            file.unlink(missing_ok=True)
            print(f"{name}: not exported: {type(error).__name__} {str(error).strip().splitlines()[:1]}", flush=True)
        finally:
            signal.alarm(0)


def seed():
    try:
        import torch

        torch.manual_seed(0)
        torch.set_num_threads(1)
        torch.backends.mha.set_fastpath_enabled(False)
    except ImportError:
        pass


if __name__ == "__main__":
    main()
