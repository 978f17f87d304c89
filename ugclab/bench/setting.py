"""What can be chosen for a swap, and what a choice is predicted to take and cost."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from ugclab.bench.calibration import ORDER, Constant, Constants
from ugclab.schema.base import Frozen, Rational

State = Literal["warm", "cold", "reload"]
"""warm: the model is resident. cold: it is read once. reload: once a segment, as the official command line does."""

WAN, MESH = "wan-animate", "mesh"


class Setting(Frozen):
    """One way to do it."""

    engine: str
    gpu: str = Field("", description="empty: the CPU, or a hosted service")
    provider: str = ""
    provision: Literal["serverless", "pod", "own", "hosted"]
    state: State = "warm"
    picture: str = Field("source", description="480p, 720p, crop 512, …: what is generated")
    width: int = Field(description="px of what is generated")
    height: int
    frame_rate: Rational = Field(description="frames generated a second")
    steps: int = Field(0, description="20, or 4 with a distilled LoRA; 0 where there are none")
    precision: str = ""


class Breakdown(Frozen):
    """Seconds by what they go into. Idle time is paid, but nobody waits for it."""

    load_s: float = 0.0
    transfer_s: float = 0.0
    preprocess_s: float = 0.0
    transformer_s: float = 0.0
    vae_s: float = 0.0
    engine_s: float = Field(0.0, description="the embedded engine's analysis and swap; all of a hosted service")
    other_s: float = Field(0.0, description="encoding of the picture, offloading, starting")
    stitch_s: float = 0.0
    idle_s: float = 0.0

    @property
    def seconds(self) -> float:
        """What somebody waits for."""
        return float(sum(self.model_dump().values())) - self.idle_s


class SegmentCost(Frozen):
    """One swapped segment, without what the video pays once."""

    index: int
    media_s: float
    frames: int
    clips: int = 0
    seconds: float
    usd: float | None = None


class PriceTag(Frozen):
    """What a second costs, since when, and who says so."""

    usd_s: float
    date: str = ""
    source: str = ""
    stale: bool = False


class Prediction(Frozen):
    """A setting with its seconds and dollars."""

    setting: Setting
    seconds: float | None = Field(description="until the video is there; None where nobody has said")
    usd: float | None = Field(description="None where there is no price")
    breakdown: Breakdown
    segments: tuple[SegmentCost, ...]
    price: PriceTag | None
    provenance: Mapping[str, str] = Field(description="of each constant by name: measured, published or assumed")
    gives_up: tuple[str, ...] = Field((), description="against 720p or more, 20 steps, 16 bits, every frame")
    warnings: tuple[str, ...] = ()

    @property
    def weakest(self) -> str:
        """The least certain provenance among its constants."""
        return max(self.provenance.values(), key=ORDER.__getitem__, default="measured")

    def to_json(self) -> dict[str, Any]:
        """A flat document for a program: the setting's fields, then seconds, dollars and what they rest on."""
        document: dict[str, Any] = self.setting.model_dump(mode="json")
        return document | {
            "seconds": _rounded(self.seconds, 1),
            "usd": _rounded(self.usd, 5),
            "segments": [
                s.model_dump() | {"seconds": _rounded(s.seconds, 1), "usd": _rounded(s.usd, 5)} for s in self.segments
            ],
            "gives_up": list(self.gives_up),
            "provenance": dict(self.provenance),
            "weakest": self.weakest,
            "price": self.price.model_dump() if self.price else None,
            "breakdown": {name: round(seconds, 2) for name, seconds in self.breakdown.model_dump().items() if seconds},
            "warnings": list(self.warnings),
        }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def provenance(used: Mapping[str, Constant]) -> dict[str, str]:
    """By name."""
    return {name: constant.provenance for name, constant in sorted(used.items())}


def notes(constants: Constants) -> tuple[str, ...]:
    """What is to be known of the constants that were used, each once."""
    return tuple(dict.fromkeys(c.note for c in constants.used.values() if c.note))


FORMULA = """\
forward s    = linear TFLOP / linear rate + attention TFLOP / attention rate      (rates by GPU and precision)
linear FLOP  = 80 L (6 d^2 + 2 d f) + 160*769 d^2 + 32 L d^2 + 3.02e12 c/77      (d = 5120, f = 13824)
attention    = 160 L^2 d + 160*769 L d
tokens L     = ((c - 1)/4 + 2) (height/16) (width/16)                            (c frames a clip, 4n+1, at most 81)
clips        = the fewest that hold a segment's frames, one frame of overlap, then the shortest
segment s    = clips*steps * forward s + clips * VAE TFLOP / VAE rate + preprocessing + encoding of the picture
preprocess   = frames * (1/67 + 1/29 + 1/6.5 + 0.02) * factor of the GPU + 4
video s      = load (cold) + transfer + segments + offloading + stitching
dollars      = (video s + idle s on serverless) * price of a second / utilisation of a pod
mesh step s  = own thread's s + (all its processor s - own thread's s) / cores
processor s  = sums of frames, frames * Mpx, frames * Mbit, frames * sqrt(Mpx Mbit), each times its constant;
               frames that are swapped, bridged, encoded anew, or decoded on the way from a keyframe"""
"""What --explain shows."""
