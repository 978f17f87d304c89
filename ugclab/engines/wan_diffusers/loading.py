"""Loading the pipeline once: the device looked at first, the one prompt encoded once and kept, LoRAs merged."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ugclab.engines.wan_diffusers import lora, memory
from ugclab.engines.wan_diffusers.memory import Strategy
from ugclab.errors import EngineUnavailable, WeightsCorrupt
from ugclab.settings import Settings
from ugclab.wan.environment import detect_gpu

if TYPE_CHECKING:
    import torch

PROMPT = "People in the video are doing actions."
"""What Animate was trained with; it knows no other."""
WORDS = 512
"""Tokens the prompt is filled up to: as the pipeline's own call does it, and not the 226 of its `encode_prompt`."""
SHIFT = 5.0
"""Of the flow's timesteps: with 4 steps 999, 937, 833 and 625, those the distilled LoRAs were made for."""
STEPS, DISTILLED_STEPS = 20, 4
EMBEDDING = "prompt-{}.safetensors"
"""The encoded prompt, beside the model: with it the 11.4 GB of the text encoder are never read again."""


@dataclass(frozen=True, slots=True)
class Resident:
    """A pipeline that stays loaded."""

    pipe: Any
    prompt: "torch.Tensor"
    device: str
    strategy: Strategy
    steps: int
    merged: dict[str, int]
    """Layers of each LoRA that were loaded."""

    @property
    def face_px(self) -> int:
        """Side of the face pictures it takes."""
        return int(self.pipe.transformer.config.motion_encoder_size)


def device_of(settings: Settings) -> str:
    """Where to run. A GPU that is there and cannot be used is an error, never a slow run on the CPU."""
    import torch

    if torch.cuda.is_available():
        try:
            torch.zeros(1, device="cuda")
        except RuntimeError as error:
            raise EngineUnavailable(f"the GPU cannot be used: {error}", hint=_CUDA) from error
        return "cuda"
    if settings.wan_cpu:
        return "cpu"
    seen = detect_gpu()
    if seen:
        built = torch.version.cuda
        kind = f"made for CUDA {built}" if built else "a build for CPUs"
        raise EngineUnavailable(f"{seen[0]} is here, but torch {torch.__version__} ({kind}) cannot use it", hint=_CUDA)
    raise EngineUnavailable("no GPU is here, and a CPU would take hours", hint="run it on a machine with an NVIDIA GPU")


_CUDA = "install the torch that fits the driver (nvidia-smi names its CUDA), or update the driver"


def load(settings: Settings) -> Resident:
    """Load everything. Raises EngineUnavailable, WeightsError, with what to do."""
    import torch
    from diffusers import UniPCMultistepScheduler, WanAnimatePipeline
    from diffusers.utils import logging

    logging.disable_progress_bar()
    folder, device = settings.wan_diffusers_folder, device_of(settings)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    config = json.loads((folder / "transformer/config.json").read_text())
    strategy = Strategy.NONE if settings.wan_memory == "auto" else Strategy(settings.wan_memory)
    if device == "cuda":
        free_gb = torch.cuda.mem_get_info()[0] / 1e9
        pixels = memory.area_pixels(settings.wan_area)
        strategy = memory.choose(config, free_gb, pixels, settings.wan_memory, settings.wan_area)
    prompt = encoded_prompt(folder, dtype)
    try:
        # The VAE in float32: in bf16 its decoder shows banding, and it is half a GB.
        vae = _vae(folder)
        pipe = WanAnimatePipeline.from_pretrained(
            folder, vae=vae, text_encoder=None, tokenizer=None, dtype=dtype, local_files_only=True
        )
    except (OSError, ValueError, KeyError) as error:
        raise WeightsCorrupt(f"{folder} cannot be loaded: {str(error).splitlines()[0]}", hint=_PULL) from error
    pipe.scheduler = UniPCMultistepScheduler.from_config(pipe.scheduler.config, flow_shift=SHIFT)
    pipe.set_progress_bar_config(disable=True)
    merged = {}
    for name, path in (("relighting", settings.wan_relighting), ("distilled", settings.wan_lora)):
        if path is not None:
            merged[name] = lora.merge(pipe, path.expanduser(), name)
    memory.apply(pipe, strategy, device, dtype)
    steps = settings.wan_steps or (DISTILLED_STEPS if settings.wan_lora else STEPS)
    return Resident(pipe, prompt.to(device), device, strategy, steps, merged)


_PULL = "fetch it whole: ugclab models pull wan2.2-animate-diffusers"


def _vae(folder: Path) -> Any:
    import torch
    from diffusers import AutoencoderKLWan

    return AutoencoderKLWan.from_pretrained(folder / "vae", dtype=torch.float32, local_files_only=True)


def encoded_prompt(folder: Path, dtype: "torch.dtype") -> "torch.Tensor":
    """The one prompt's embedding (1, 512, width): read back, or encoded by a text encoder that is dropped again."""
    from safetensors.torch import load_file, save_file

    path = folder / EMBEDDING.format(_fingerprint(folder))
    if path.is_file():
        return load_file(path)["prompt"].to(dtype)
    import torch
    from diffusers import WanAnimatePipeline
    from transformers import AutoTokenizer, UMT5EncoderModel

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        encoder = UMT5EncoderModel.from_pretrained(folder / "text_encoder", dtype=dtype, local_files_only=True)
    except (OSError, ValueError) as error:
        what = f"the text encoder in {folder} cannot be loaded: {str(error).splitlines()[0]}"
        raise WeightsCorrupt(what, hint=_PULL) from error
    with torch.no_grad():
        embedding, _ = WanAnimatePipeline.encode_prompt(
            _Encoder(tokenizer, encoder),
            PROMPT,
            do_classifier_free_guidance=False,
            max_sequence_length=WORDS,
            device=torch.device("cpu"),
        )
    part = path.with_suffix(".part")
    save_file({"prompt": embedding.float().contiguous()}, part)
    part.replace(path)
    return embedding.to(dtype)


class _Encoder:
    """As much of a pipeline as its own way of encoding a prompt asks for."""

    def __init__(self, tokenizer: Any, text_encoder: Any) -> None:
        self.tokenizer, self.text_encoder = tokenizer, text_encoder

    def _get_t5_prompt_embeds(self, *args: Any, **named: Any) -> Any:
        from diffusers import WanAnimatePipeline

        return WanAnimatePipeline._get_t5_prompt_embeds(self, *args, **named)


def _fingerprint(folder: Path) -> str:
    """Of the prompt and of what encodes it."""
    config = folder / "text_encoder/config.json"
    told = config.read_bytes() if config.is_file() else b""
    return hashlib.sha256(PROMPT.encode() + told).hexdigest()[:16]
