"""How long the Wan transformer takes on a GPU: linear work and attention at rates of their own, so that the effective
rate follows the number of tokens.

    seconds of a forward = linear TFLOP / linear rate + attention TFLOP / attention rate

A stack is what runs: the precision of the weights, and the kernel of attention.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from ugclab.bench.calibration import Constants
from ugclab.errors import InputError
from ugclab.wan.arithmetic import CLIP_GB, TRANSFORMER_GB, VAE_GB, Work, working_gb

Stack = Literal["bf16", "bf16-sage", "fp8", "fp4"]
STACKS: Mapping[str, tuple[str, str]] = {
    "bf16": ("bf16.linear", "flash.attention"),  # the official code
    "bf16-sage": ("bf16-sage.linear", "sage.attention"),
    "fp8": ("fp8.linear", "sage.attention"),
    "fp4": ("fp4.linear", "sage.attention"),
}
"""Names of the two rates of each stack. SageAttention is the same kernel whatever the weights are."""

WEIGHTS_GB: Mapping[str, float] = {"bf16": TRANSFORMER_GB, "bf16-sage": TRANSFORMER_GB, "fp8": 17.32, "fp4": 11.5}
"""The transformer's file: bf16 counted, fp8-scaled as published, 4 bits by the size of GGUF Q4_K_M."""


def stacks_of(constants: Constants) -> tuple[str, ...]:
    """The stacks a GPU has rates for."""
    return tuple(name for name, rates in STACKS.items() if all(rate in constants for rate in rates))


def forward_s(work: Work, constants: Constants, stack: str) -> float:
    """Seconds of one forward. Raises InputError where the GPU has no rates for the stack."""
    if stack not in STACKS:
        raise InputError(f"there is no precision '{stack}'", hint=f"one of {', '.join(STACKS)}")
    if stack not in stacks_of(constants):
        known = ", ".join(stacks_of(constants)) or "none"
        raise InputError(f"no rates are known for {stack} on {constants.device}", hint=f"known there: {known}")
    linear, attention = STACKS[stack]
    return work.linear / constants[linear] + work.attention / constants[attention]


def memory_gb(pixels: int, stack: str) -> float:
    """GPU memory of a resident model without the text encoder, whose one prompt is encoded beforehand; decimal GB."""
    return WEIGHTS_GB[stack] + CLIP_GB + VAE_GB + working_gb(pixels)


def rates_of(points: Sequence[tuple[Work, float]]) -> tuple[float, float]:
    """Linear and attention rate in TFLOP/s from two or more measured forwards (work, seconds), by least relative error.

    Raises InputError where no pair of positive rates explains them, as with forwards of one size only.
    """
    rows = np.array([[work.linear / s, work.attention / s] for work, s in points])
    if len(points) < 2 or np.linalg.matrix_rank(rows, tol=1e-6) < 2:
        raise InputError("two rates need forwards of two sizes", hint="measure at two token counts that differ much")
    inverse = np.linalg.lstsq(rows, np.ones(len(points)), rcond=None)[0]
    if (inverse <= 0).any():
        raise InputError("no positive rates explain these forwards", hint="measure again, on an idle machine")
    return float(1 / inverse[0]), float(1 / inverse[1])
