"""How the transformer is held on the GPU: predicted before a weight is read, chosen by the memory that is free.

The prediction counts the parameters of the very configuration on the meta device; what sampling adds to the weights is
the model of ugclab.wan.arithmetic.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ugclab.engines.wan_cli.place import AREAS, smaller
from ugclab.errors import EngineUnavailable
from ugclab.wan.arithmetic import CLIP_GB, VAE_GB, working_gb

if TYPE_CHECKING:
    import torch

HEADROOM = 0.95
"""Share of the free memory that is used: the allocator fragments."""
BLOCKS_HELD = 2
"""Blocks on the GPU under group offload: the one that works, and the one that comes."""


class Strategy(StrEnum):
    """How the transformer's weights are held, from the fastest."""

    NONE = "none"
    FP8 = "fp8"
    GROUP = "group"


def weight_bytes(transformer: "torch.nn.Module", strategy: Strategy, item_bytes: int = 2) -> int:
    """Bytes of the transformer's weights on the GPU. Shapes decide, so a model on the meta device serves.

    `item_bytes` is the size of the number it computes in. Layerwise casting holds linear and convolution layers in one
    byte, but for those the model or diffusers spare by name; group offload holds BLOCKS_HELD blocks and what is
    outside them.
    """
    from diffusers.hooks._common import _GO_LC_SUPPORTED_PYTORCH_LAYERS as CASTABLE
    from diffusers.hooks.layerwise_casting import DEFAULT_SKIP_MODULES_PATTERN

    if strategy is Strategy.GROUP:
        blocks = _block_bytes(transformer, item_bytes)
        rest = _bytes(transformer, item_bytes) - sum(blocks)
        return rest + sum(sorted(blocks)[-BLOCKS_HELD:])
    total = _bytes(transformer, item_bytes)
    if strategy is Strategy.NONE:
        return total
    spared = (*DEFAULT_SKIP_MODULES_PATTERN, *_skip_patterns(transformer))
    for name, module in transformer.named_modules():
        within = any(re.search(pattern, name) for pattern in spared)
        if isinstance(module, CASTABLE) and not within:
            total -= sum(p.numel() for p in module.parameters(recurse=False)) * (item_bytes - 1)
    return total


def _skip_patterns(transformer: Any) -> tuple[str, ...]:
    """What diffusers spares for this model: as `enable_layerwise_casting` puts it together."""
    kept = transformer._keep_in_fp32_modules or []
    return (*(transformer._skip_layerwise_casting_patterns or ()), *kept)


def _bytes(module: "torch.nn.Module", item_bytes: int) -> int:
    return int(sum(p.numel() for p in module.parameters()) * item_bytes)


def _block_bytes(transformer: Any, item_bytes: int) -> list[int]:
    return [_bytes(block, item_bytes) for block in transformer.blocks]


def predict_gb(config: Mapping[str, Any], strategy: Strategy, pixels: int) -> float:
    """GPU memory, decimal GB, that a transformer of this configuration needs while it samples (weights counted)."""
    import torch
    from diffusers import WanAnimateTransformer3DModel

    with torch.device("meta"):
        transformer = WanAnimateTransformer3DModel.from_config(dict(config))
    return weight_bytes(transformer, strategy) / 1e9 + CLIP_GB + VAE_GB + working_gb(pixels)


def choose(config: Mapping[str, Any], free_gb: float, pixels: int, wanted: str, area: str) -> Strategy:
    """The fastest way that fits, or the one that is asked for. Raises EngineUnavailable, with what to set instead."""
    ways = list(Strategy) if wanted == "auto" else [Strategy(wanted)]
    for strategy in ways:
        if predict_gb(config, strategy, pixels) <= HEADROOM * free_gb:
            return strategy
    least = predict_gb(config, ways[-1], pixels)
    raise EngineUnavailable(
        f"about {least:.0f} GB of GPU memory are needed at {area} ({ways[-1].value}), {free_gb:.0f} are free",
        hint=next_smaller(ways[-1], area),
    )


def next_smaller(strategy: Strategy, area: str) -> str:
    """What to set to need less than this."""
    later = list(Strategy)[list(Strategy).index(strategy) + 1 :]
    return f"set UGCLAB_WAN_MEMORY={later[0].value}" if later else smaller(area)


def apply(pipe: Any, strategy: Strategy, device: str, dtype: "torch.dtype") -> None:
    """Put a pipeline's parts where they belong; LoRAs are fused by then."""
    import torch

    if strategy is Strategy.FP8:
        pipe.transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype)
    if strategy is Strategy.GROUP:
        pipe.transformer.enable_group_offload(
            onload_device=torch.device(device),
            offload_device=torch.device("cpu"),
            offload_type="block_level",
            num_blocks_per_group=1,
            use_stream=device.startswith("cuda"),
        )
        for part in (pipe.vae, pipe.image_encoder):
            part.to(device)
    else:
        pipe.to(device)
    pipe.vae.enable_tiling()


def area_pixels(area: str) -> int:
    """Pixels of a UGCLAB_WAN_AREA."""
    width, height = AREAS[area]
    return width * height
