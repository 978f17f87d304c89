"""LoRAs of three dialects, loaded and merged for good, and counted: one that does not fit loads nothing, silently."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ugclab.errors import WeightsCorrupt, WeightsError

if TYPE_CHECKING:
    import torch

PREFIXES = ("base_model.model.", "diffusion_model.", "transformer.")
"""How the official relighting LoRA, ComfyUI's and diffusers' files begin their keys."""


def read(path: Path) -> "dict[str, torch.Tensor]":
    """Read a LoRA from .safetensors, or from a .ckpt or .pt without running any code in it. Raises WeightsError."""
    if not path.is_file():
        raise WeightsError(f"the LoRA {path} is not there", hint="set the path, or leave the setting empty")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        import torch

        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsCorrupt(f"the LoRA {path.name} cannot be read: {error}", hint="download it again") from error
    found = found.get("state_dict", found) if isinstance(found, dict) else {}
    return {name: value for name, value in found.items() if hasattr(value, "shape")}


def converted(state: "Mapping[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    """Keys as diffusers' own loader takes them.

    The official relighting LoRA's begin with `base_model.model.` and may name PEFT's adapter; diffusers loads none of
    them and says nothing. What is in the official scripts' names gets the prefix its converter looks for.
    """
    named: dict[str, torch.Tensor] = {}
    for key, value in state.items():
        bare = key
        for prefix in PREFIXES:
            bare = bare.removeprefix(prefix)
        bare = bare.replace(".lora_A.default.", ".lora_A.").replace(".lora_B.default.", ".lora_B.")
        named[bare] = value
    theirs = any(".self_attn." in key or ".cross_attn." in key or ".ffn.0." in key for key in named)
    return {("diffusion_model." if theirs else "transformer.") + key: value for key, value in named.items()}


def pairs(state: "Mapping[str, torch.Tensor]") -> int:
    """Layers a LoRA speaks of: each has one matrix down and one up."""
    return sum(key.endswith((".lora_A.weight", ".lora_down.weight")) for key in state)


def merge(pipe: Any, path: Path, name: str, strength: float = 1.0) -> int:
    """Load a LoRA, see that every layer of it arrived, and merge it into the weights; returns how many layers.

    Merged it costs nothing, where the official scripts add about 5 % to every forward. Raises WeightsError.
    """
    state = converted(read(path))
    expected = pairs(state)
    if not expected:
        raise WeightsError(f"{path.name} holds no LoRA that is known", hint="give one made for Wan2.1 or Wan2.2, 14B")
    try:
        pipe.load_lora_weights(dict(state), adapter_name=name)
    except (ValueError, KeyError, RuntimeError) as error:
        raise WeightsError(f"{path.name} does not fit this transformer: {_first(error)}", hint=_HINT) from error
    loaded = adapted(pipe.transformer, name)
    if loaded < expected:
        raise WeightsError(f"only {loaded} of the {expected} layers of {path.name} were loaded", hint=_HINT)
    pipe.fuse_lora(components=["transformer"], lora_scale=strength, adapter_names=[name])
    pipe.unload_lora_weights()
    return loaded


def adapted(transformer: Any, name: str) -> int:
    """Layers of a transformer that hold an adapter of that name."""
    return sum(name in getattr(module, "lora_A", {}) for module in transformer.modules())


_HINT = "give one that was made for Wan2.1 or Wan2.2 image-to-video, 14B"


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
