"""A WanAnimatePipeline of random weights that runs on a CPU in seconds: the architecture whole, every number small."""

import json
from pathlib import Path

import pytest

from ugclab.engines.wan_cli.place import AREAS
from ugclab.settings import Settings

PARTS = ("image_encoder", "image_processor", "scheduler", "text_encoder", "tokenizer", "transformer", "vae")


def save_tiny(folder: Path) -> Path:
    """Write it in diffusers' form."""
    import torch
    from diffusers import (
        AutoencoderKLWan,
        UniPCMultistepScheduler,
        WanAnimatePipeline,
        WanAnimateTransformer3DModel,
    )
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        CLIPVisionModel,
        PreTrainedTokenizerFast,
        UMT5Config,
        UMT5EncoderModel,
    )

    torch.manual_seed(0)
    transformer = WanAnimateTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=36, latent_channels=16,
        out_channels=16, text_dim=32, freq_dim=256, ffn_dim=32, num_layers=4, image_dim=4, added_kv_proj_dim=24,
        rope_max_seq_len=1024, motion_encoder_channel_sizes={"4": 16, "8": 16, "16": 16}, motion_encoder_size=16,
        motion_style_dim=8, motion_dim=4, motion_encoder_dim=16, face_encoder_hidden_dim=16, face_encoder_num_heads=2,
        inject_face_latents_blocks=2,
    )  # fmt: skip
    vae = AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )
    encoder = UMT5EncoderModel(
        UMT5Config(vocab_size=64, d_model=32, d_kv=8, d_ff=32, num_layers=2, num_heads=4, decoder_start_token_id=0)
    )
    vision = CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=4, intermediate_size=8, num_hidden_layers=2, num_attention_heads=2, image_size=4, patch_size=1
        )
    )
    pipe = WanAnimatePipeline(
        tokenizer=_tokenizer(PreTrainedTokenizerFast),
        text_encoder=encoder,
        vae=vae,
        scheduler=UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0),
        image_processor=CLIPImageProcessor(crop_size=4, size=4),
        image_encoder=vision,
        transformer=transformer,
    )
    pipe.save_pretrained(folder)
    assert {p for p in json.loads((folder / "model_index.json").read_text()) if not p.startswith("_")} == set(PARTS)
    return folder


def _tokenizer(kind: type) -> object:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = ["<pad>", "</s>", "<unk>", "People", "in", "the", "video", "are", "doing", "actions", "."]
    tokenizer = Tokenizer(WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    return kind(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


def lora(folder: Path, *, prefix: str = "base_model.model.", rank: int = 2, blocks: int = 4, suffix: str = "") -> Path:
    """A LoRA for its attention and feed-forward layers, in the official scripts' names."""
    import torch

    rng = torch.Generator().manual_seed(1)
    state = {}
    for block in range(blocks):
        for layer, (wide, out) in {
            "self_attn.q": (24, 24), "self_attn.v": (24, 24), "cross_attn.o": (24, 24), "ffn.0": (24, 32),
            "ffn.2": (32, 24),
        }.items():  # fmt: skip
            key = f"{prefix}blocks.{block}.{layer}"
            state[f"{key}.lora_A{suffix}.weight"] = torch.randn(rank, wide, generator=rng)
            state[f"{key}.lora_B{suffix}.weight"] = torch.randn(out, rank, generator=rng)
    path = folder / "relighting_lora.ckpt"
    torch.save(state, path)
    return path


def furnish(folder: Path, settings: Settings, patch: pytest.MonkeyPatch, **changes: object) -> Settings:
    """Settings under which wan-diffusers is ready, on the CPU, with canvases of about 96 x 96 px."""
    pytest.importorskip("diffusers", reason="wan-diffusers needs the extra 'animate'")
    patch.setitem(AREAS, "512x512", (96, 96))
    (folder / "official").mkdir(parents=True)
    lora(folder / "official")
    return settings.model_copy(
        update={
            "wan_diffusers": save_tiny(folder / "tiny"),
            "wan_ckpt": folder / "official",
            "wan_cpu": True,
            "wan_steps": 2,
            "wan_area": "512x512",
            **changes,
        }
    )
