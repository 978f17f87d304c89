"""What a configuration of Wan2.2-Animate means in pixels, clips, memory, seconds and money.

Sizes and clips are the code's own arithmetic, exact. Memory, seconds and money are a model: nothing here was timed on
a GPU by this project, and a measured figure replaces a modelled one wherever there is one.
"""

import json
import math
import re
from functools import cache
from importlib import resources

from pydantic import Field

from ugclab.errors import InputError
from ugclab.schema.base import Frozen
from ugclab.wan.problems import Stage

WIDTH, FEED_FORWARD, BLOCKS = 5120, 13824, 40  # wan/configs/wan_animate_14B.py: dim, ffn_dim, num_layers
CONTEXT = 512 + 257  # text tokens and CLIP tokens of the reference
TRANSFORMER_GB, T5_GB, CLIP_GB, VAE_GB = 34.55, 11.36, 2.4, 0.5  # bf16 weights; the transformer's counted
SAMPLING_GB = ((832 * 480, 44.0), (1280 * 720, 60.0))
"""Peak while sampling, GB at px: the upper ends of what was calculated for the official code."""
LONGEST_CLIP = 81
"""Frames of a clip: 77 is the official default, 81 what the model was trained on."""
LOAD_S = {"nvme": 60.0, "network": 200.0}
"""Reading about 54 GB of models: the middles of 30-90 s from a local NVMe and 135-270 s from a network volume."""
FRAME_S = 1 / 67 + 1 / 29 + 1 / 6.5 + 0.02
"""Preprocessing a frame on an H200: detector, pose, mask, and writing."""


class EffectiveSize(Frozen):
    """What the preprocessing turns a picture into: px, and the black bars inside it."""

    width: int
    height: int
    bars_px: int = Field(description="rows or columns of black, both sides together")


def effective_size(width: int, height: int, area: tuple[int, int] = (1280, 720)) -> EffectiveSize:
    """The size of src_pose.mp4 for a source of width x height px.

    `calculate_new_size` always raises (its check takes two arguments and is called with three) and the bare `except`
    hides it: each side of the equal-area size is floored to a multiple of 16, then the picture is letterboxed
    (preprocess/utils.py:124 and :136-186). Sizes of 0 are possible, and fail in OpenCV.
    """
    ratio = width / height
    tall = math.sqrt(area[0] * area[1] / ratio)
    wide = area[0] * area[1] / tall
    new_width, new_height = int(wide // 16 * 16), int(tall // 16 * 16)
    if new_width == 0 or new_height == 0:
        return EffectiveSize(width=new_width, height=new_height, bars_px=0)
    if height / width > new_height / new_width:
        return EffectiveSize(width=new_width, height=new_height, bars_px=new_width - int(new_height / height * width))
    return EffectiveSize(width=new_width, height=new_height, bars_px=new_height - int(new_width / width * height))


def sampled_frames(frames: int, rate: float, fps: int) -> int:
    """Frames the preprocessing takes from a source (process_pipepline.py:60); fps -1 keeps the source's rate."""
    return int(frames / rate * (rate if fps == -1 else fps))


class Clips(Frozen):
    """How a segment is cut into clips. None are generated where the frames do not exceed the overlap."""

    count: int
    padded: int = Field(description="frames after the last clip was filled up by running to and fro")
    wasted: int


def clips(frames: int, clip_length: int = 77, overlap: int = 1) -> Clips:
    """Clips of a segment (wan/animate.py:215-223 and :394-399). `overlap` is --refert_num, and below clip_length."""
    step = clip_length - overlap
    rest = (frames - overlap) % step
    padded = frames + (step - rest if rest else 0)
    return Clips(count=max(0, math.ceil((padded - overlap) / step)), padded=padded, wasted=padded - frames)


def fewest_clips(frames: int) -> tuple[int, int]:
    """Number and length of the clips of a segment: the fewest of at most LONGEST_CLIP frames, then the shortest.

    5 s at 30, 24 and 16 frames a second make 2 of 77, 2 of 61 and 1 of 81.
    """
    count = max(1, math.ceil((frames - 1) / (LONGEST_CLIP - 1)))
    length = 4 * math.ceil(max(frames - 1, 4) / count / 4) + 1
    return clips(max(frames, 2), length).count, length


def tokens(width: int, height: int, clip_length: int = 77) -> int:
    """Tokens of a clip: latent frames and the reference, patches of 16x16 px."""
    return ((clip_length - 1) // 4 + 2) * (height // 16) * (width // 16)


class Work(Frozen):
    """Work of one forward of the transformer in TFLOP: matrix products apart from attention, whose rates differ."""

    linear: float
    attention: float

    @property
    def tflop(self) -> float:
        """Both together."""
        return self.linear + self.attention


def forward_work(count: int, animate_frames: int = 0) -> Work:
    """Work of one forward over that many tokens; `animate_frames` adds what Animate has beside image-to-video.

    Checked against torch's FlopCounter on the meta device: benchmarks/flops.py.
    """
    linear: float = 2 * BLOCKS * count * (6 * WIDTH**2 + 2 * WIDTH * FEED_FORWARD)
    linear += 4 * BLOCKS * CONTEXT * WIDTH**2  # keys and values of the text and the reference picture
    if animate_frames:
        linear += 32 * count * WIDTH**2 + 3.02e12 * animate_frames / 77  # 8 face blocks, and the motion encoder
    return Work(linear=linear / 1e12, attention=4 * BLOCKS * count * WIDTH * (count + CONTEXT) / 1e12)


def forward_tflop(width: int, height: int, clip_length: int = 77) -> float:
    """TFLOP of one forward of Animate; torch's FlopCounter gives 1717.0 at 832x480 and 931.0 at 512x512."""
    return forward_work(tokens(width, height, clip_length), clip_length).tflop


def vae_tflop(width: int, height: int, clip_length: int = 77) -> float:
    """TFLOP of encoding and decoding one clip."""
    return 375.4 * (width * height / 262_144) * (clip_length / 77)


def working_gb(pixels: int) -> float:
    """GPU memory that sampling adds to the weights, decimal GB (model)."""
    (low, low_gb), (high, high_gb) = SAMPLING_GB
    peak = low_gb + (pixels - low) / (high - low) * (high_gb - low_gb)
    return max(peak - TRANSFORMER_GB - CLIP_GB - VAE_GB, 1.0)


def peak_memory_gb(
    pixels: int,
    *,
    gpus: int = 1,
    t5_cpu: bool = False,
    t5_stays: bool = False,
    shard_transformer: bool = False,
    shard_t5: bool = False,
) -> float:
    """GPU memory needed, decimal GB on each card (model).

    The larger of two moments: text encoding, with every model on the card, and sampling. Ulysses divides what
    sampling adds, FSDP the weights it shards.
    """
    weights = TRANSFORMER_GB / (gpus if shard_transformer else 1) + CLIP_GB + VAE_GB
    t5 = 0.0 if t5_cpu else T5_GB / (gpus if shard_t5 else 1)
    return max(weights + t5, weights + working_gb(pixels) / gpus + (t5 if t5_stays else 0.0))


class Gpu(Frozen):
    """A GPU: its memory, effective rates in TFLOP/s below and above 600,000 px, and prices. The rates are a model."""

    name: str
    memory_mib: int
    bf16: tuple[float, float] | None = None
    fp8: tuple[float, float] | None = None
    vae: float | None = None
    preprocess_factor: float = 1.0
    serverless_usd_s: float | None = None
    pod_usd_h: float | None = None

    @property
    def memory_gb(self) -> float:
        """Decimal GB."""
        return self.memory_mib * 2**20 / 1e9

    @property
    def usd_s(self) -> float | None:
        """Price of a second: serverless where it is offered, else a pod's."""
        return self.serverless_usd_s or (self.pod_usd_h / 3600 if self.pod_usd_h else None)


@cache
def gpus() -> tuple[Gpu, ...]:
    """The GPUs of the packaged table. Read once: package data does not change."""
    text = resources.files("ugclab.wan.data").joinpath("gpus.json").read_text(encoding="utf-8")
    return tuple(Gpu.model_validate(entry) for entry in json.loads(text)["gpus"])


def find_gpu(name: str, memory_mib: int | None = None) -> Gpu:
    """A GPU by a name such as 'H100', 'rtx4090' or nvidia-smi's 'NVIDIA H100 80GB HBM3'. Raises InputError."""
    wanted = re.sub(r"[^a-z0-9]", "", name.lower())
    known = sorted(gpus(), key=lambda gpu: -len(gpu.name))
    match = next((gpu for gpu in known if re.sub(r"[^a-z0-9]", "", gpu.name.lower()) in wanted), None)
    if match is None and memory_mib is None:
        raise InputError(f"no GPU '{name}' is known", hint="one of " + ", ".join(gpu.name for gpu in gpus()))
    if match is None:
        return Gpu(name=name, memory_mib=memory_mib or 0)
    return match.model_copy(update={"memory_mib": memory_mib}) if memory_mib else match


class Estimate(Frozen):
    """Seconds of one run on one GPU: a model, to be replaced by what is measured."""

    load_s: float
    preprocess_s: float
    generate_s: float

    def until(self, stage: Stage) -> float:
        """GPU seconds spent when a mistake shows at that stage. Preprocessing comes before generation loads."""
        return {
            Stage.START: 0.0,
            Stage.PREPROCESS: self.preprocess_s,
            Stage.LOAD: self.preprocess_s + self.load_s,
            Stage.RESULT: self.preprocess_s + self.load_s + self.generate_s,
        }[stage]


def estimate(
    gpu: Gpu,
    frames: int,
    width: int,
    height: int,
    *,
    clip_length: int = 77,
    overlap: int = 1,
    steps: int = 20,
    guidance: float = 1.0,
    fp8: bool = False,
    disk: str = "nvme",
) -> Estimate:
    """Seconds to swap one segment of that many frames (model; the official scripts load the models for every run)."""
    rates = gpu.fp8 if fp8 else gpu.bf16
    if rates is None or gpu.vae is None:
        raise InputError(f"no rates are known for {gpu.name}", hint="one of " + ", ".join(g.name for g in gpus()))
    count = clips(frames, clip_length, overlap).count
    rate = rates[0] if width * height < 600_000 else rates[1]
    forwards = count * steps * (2 if guidance > 1 else 1)
    sampling = forwards * forward_tflop(width, height, clip_length) / rate
    decoding = count * vae_tflop(width, height, clip_length) / gpu.vae
    return Estimate(
        load_s=LOAD_S[disk],
        preprocess_s=frames * FRAME_S * gpu.preprocess_factor + 4,
        generate_s=sampling + decoding + 3,
    )
