"""Measures a device's rates for the architecture of Wan2.2-Animate with random weights: they decide the pictures, not
how long they take. Seconds of a forward at two or more token counts give the rates of linear work and of attention.

The architecture is that of diffusers (its transformer and its VAE): what is timed is code that people run, with its
norms, rotations and copies, and its FLOPs are those of `forward_work` to a tenth of a percent (benchmarks/flops.py).
Where the whole transformer does not fit, five of its forty blocks of real width are timed, the first with its face
block, and what lies between the first block's start and the last one's end counts eight times. Needs torch and
diffusers; weights are made on the device, nothing is fetched.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ugclab.bench.calibration import Constant, Run
from ugclab.bench.gpu import list_gpus
from ugclab.bench.rates import rates_of
from ugclab.errors import Cancelled, EngineError, EngineUnavailable, InputError
from ugclab.pipeline.steps import Progress
from ugclab.schema.base import Frozen
from ugclab.wan.arithmetic import BLOCKS, WIDTH, forward_work, tokens, vae_tflop

Device = Literal["auto", "cpu", "cuda"]
TEXT, PICTURE, FACE_PX = 512, 257, 512  # tokens of the prompt and of the reference picture; side of the face crops
REPEATS = 3
ENOUGH_S = 20.0
"""A piece that took so long is not repeated further."""


class Size(Frozen):
    """A clip that is generated."""

    width: int
    height: int
    frames: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}x{self.frames}"


class Scale(Frozen):
    """How much of the model is timed, and on how much."""

    name: str
    layers: int = Field(description="blocks of the transformer, a multiple of five")
    forwards: tuple[Size, ...] = Field(description="the smallest first; two at least")
    vae: Size
    memory_gb: float = Field(description="free memory it wants, decimal GB: weights, and what the largest size adds")
    options: dict[str, Any] = Field({}, description="other dimensions of the transformer and the VAE: for tests")


def _sizes(*sizes: tuple[int, int, int]) -> tuple[Size, ...]:
    return tuple(Size(width=w, height=h, frames=c) for w, h, c in sizes)


REAL = _sizes((512, 512, 77), (832, 480, 77), (1280, 720, 77))
SCALES = (
    Scale(name="full", layers=BLOCKS, forwards=REAL, vae=REAL[1], memory_gb=58),
    Scale(name="blocks", layers=5, forwards=REAL, vae=REAL[1], memory_gb=22),
    Scale(name="small", layers=5, forwards=_sizes((256, 256, 33), (832, 480, 77)), vae=REAL[0], memory_gb=14),
    Scale(
        name="tiny",
        layers=5,
        forwards=_sizes((128, 128, 5), (384, 384, 5), (640, 640, 5)),
        vae=Size(width=64, height=64, frames=5),
        memory_gb=9,
    ),
)
"""From the whole model down. A CPU takes `tiny`: at real sizes a forward lasts minutes there."""


@dataclass(slots=True)
class _Clock:
    """Time that the whole measurement may take."""

    limit_s: float
    begun: float = field(default_factory=time.monotonic)

    @property
    def left_s(self) -> float:
        return self.limit_s - (time.monotonic() - self.begun)


def choose_device(wanted: Device) -> str:
    """ "cuda" or "cpu". Raises EngineUnavailable without torch and diffusers, InputError where no GPU is there."""
    try:
        import diffusers  # noqa: F401
        import torch
    except ImportError as error:
        raise EngineUnavailable(
            f"measuring Wan needs torch and diffusers: {error.name} is not installed",
            hint="pip install 'ugclab[calibrate]', or --only mesh",
        ) from error
    if wanted == "cpu":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        built = torch.version.cuda
        why = f"it was built for CUDA {built}: see nvidia-smi" if built else "it was built without CUDA"
        raise InputError(f"torch {torch.__version__} sees no CUDA GPU; {why}", hint="--device cpu, or another torch")
    return "cpu"


def describe(device: str) -> dict[str, str]:
    """What decides how quick it is, in words; a GPU's name as its driver has it."""
    import diffusers
    import torch

    found = {"torch": str(torch.__version__), "diffusers": str(diffusers.__version__)}
    if device == "cuda":
        card = torch.cuda.get_device_properties(0)
        driver = next((gpu.driver for gpu in list_gpus() if gpu.name == card.name), "")
        found |= {"gpu": card.name, "gpu_memory_gb": f"{card.total_memory / 1e9:.1f}"}
        found |= {"cuda": str(torch.version.cuda), "driver": driver}
    return found


def free_gb(device: str) -> float:
    """Memory that is free there, decimal GB."""
    if device == "cuda":
        import torch

        return float(torch.cuda.mem_get_info()[0]) / 1e9
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith("MemAvailable")), 0.0)


def choose_scale(name: str, device: str, free: float) -> Scale:
    """The scale of that name, or for "auto" the largest that fits. Raises InputError with a smaller one that fits."""
    fitting = [scale for scale in SCALES if scale.memory_gb <= free]
    if name == "auto":
        if not fitting:
            least = SCALES[-1]
            raise InputError(
                f"{free:.0f} GB are free, the smallest scale '{least.name}' wants {least.memory_gb:g}",
                hint="end what else uses the memory, or --only mesh",
            )
        return fitting[0] if device == "cuda" else SCALES[-1]
    wanted = next((scale for scale in SCALES if scale.name == name), None)
    if wanted is None:
        raise InputError(f"there is no scale '{name}'", hint="auto, " + ", ".join(s.name for s in SCALES))
    if wanted not in fitting:
        raise InputError(
            f"scale '{name}' wants {wanted.memory_gb:g} GB, {free:.0f} are free",
            hint=f"--scale {fitting[0].name}" if fitting else "end what else uses the memory, or --only mesh",
        )
    return wanted


def measure(
    device: str,
    scale: Scale,
    *,
    limit_s: float = 600.0,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[Run, ...]:
    """Time a clip through the VAE, and forwards of two sizes or more: what `constants` makes rates of.

    Sizes for which the time does not suffice are left out, the largest first. Raises InputError where it does not
    suffice for two, or the memory not for one; Cancelled.
    """
    import torch

    clock, runs = _Clock(limit_s), list[Run]()
    total = len(scale.forwards) + 2

    def step(what: str) -> None:
        if cancelled():
            raise Cancelled("cancelled")
        on_progress(Progress(f"wan: {what}", None, len(runs), total))

    try:
        with torch.inference_mode():
            step("VAE")
            runs.append(_time_vae(device, scale, clock))
            step(f"{scale.layers} blocks")
            model = _transformer(device, scale)
            for size in scale.forwards:
                step(f"forward {size}")
                if not _suffices(clock, runs[1:], size):
                    break
                runs.append(_time_forward(model, device, scale, size, clock))
    except torch.OutOfMemoryError as error:
        smaller = next((s.name for s in SCALES[1:] if s.memory_gb < scale.memory_gb), "")
        hint = f"--scale {smaller}" if smaller else "end what else uses the memory, or --only mesh"
        raise InputError(f"the memory does not suffice for scale '{scale.name}'", hint=hint) from error
    if len(runs) < 3:
        raise InputError(
            f"{limit_s:g} s do not suffice for forwards of two sizes", hint="a higher --limit, or a smaller --scale"
        )
    return tuple(runs)


def constants(runs: Sequence[Run], scale: Scale) -> dict[str, Constant]:
    """Rates in TFLOP/s (`bf16.linear`, `flash.attention`, `vae`) from what was timed; extrapolations are labelled.

    Raises EngineError where no rates explain the times.
    """
    forwards = [run for run in runs if run.what == "forward"]
    (clip,) = (run for run in runs if run.what == "vae")
    counts = [tokens(run.width, run.height, run.frames) for run in forwards]
    works = [forward_work(count, run.frames) for count, run in zip(counts, forwards, strict=True)]
    try:
        linear, attention = rates_of([(w, run.whole_s) for w, run in zip(works, forwards, strict=True)])
    except InputError as error:
        raise EngineError(error.message, hint="measure again, on an idle machine") from error
    span = f"{min(counts)} to {max(counts)} tokens"
    source = f"random weights in bf16, diffusers: {scale.layers} of {BLOCKS} blocks, {span}"
    parts = []
    if scale.layers < BLOCKS:
        parts.append(f"{BLOCKS} blocks from {scale.layers}")
    if max(counts) < tokens(512, 512):
        parts.append(f"real sizes from {span}")
    note = f"extrapolated: {' and '.join(parts)}" if parts else ""
    small = clip.width * clip.height * clip.frames < 512 * 512 * 77
    vae_note = f"extrapolated: real clips from {clip.width}x{clip.height}x{clip.frames}" if small else ""
    made = {
        "bf16.linear": (linear, source, note),
        "flash.attention": (attention, f"{source}; torch's own attention", note),
        "vae": (
            vae_tflop(clip.width, clip.height, clip.frames) / clip.seconds,
            f"random weights in bf16, diffusers: a clip of {clip.width}x{clip.height}x{clip.frames} to and fro",
            vae_note,
        ),
    }
    return {
        name: Constant(value=float(f"{value:.4g}"), unit="TFLOP/s", provenance="measured", source=whence, note=label)
        for name, (value, whence, label) in made.items()
    }


def _suffices(clock: _Clock, before: Sequence[Run], size: Size) -> bool:
    """Whether a warm-up and one repeat of a size fit into the time left, by what the size before took."""
    if not before:
        return clock.left_s > 0
    last = before[-1]
    works = [forward_work(tokens(s.width, s.height, s.frames), s.frames).tflop for s in (last, size)]
    return clock.left_s > 2 * last.seconds * works[1] / works[0]


def _made(device: str, make: Callable[[], Any]) -> Any:
    """A model with random weights in bf16, made on the device."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            return make().eval()
    finally:
        torch.set_default_dtype(before)


def _transformer(device: str, scale: Scale) -> Any:
    from diffusers import WanAnimateTransformer3DModel

    options = {"added_kv_proj_dim": WIDTH} | scale.options.get("transformer", {})
    return _made(device, lambda: WanAnimateTransformer3DModel(num_layers=scale.layers, **options))


def _time_forward(model: Any, device: str, scale: Scale, size: Size, clock: _Clock) -> Run:
    """One size: a warm-up, then the median of up to REPEATS."""
    import torch

    latents = (size.frames - 1) // 4 + 1
    low = size.height // 8, size.width // 8
    options = scale.options.get("transformer", {})
    face = options.get("motion_encoder_size", FACE_PX)

    def noise(*shape: int) -> Any:
        return torch.randn(shape, device=device, dtype=torch.bfloat16)

    inputs = {
        "hidden_states": noise(1, model.config.in_channels, latents + 1, *low),
        "pose_hidden_states": noise(1, model.config.latent_channels, latents, *low),
        "timestep": torch.tensor([500], device=device),
        "encoder_hidden_states": noise(1, TEXT, model.config.text_dim),
        "encoder_hidden_states_image": noise(1, PICTURE, model.config.image_dim),
        "face_pixel_values": noise(1, 3, size.frames, face, face),
    }
    marks: list[float] = []

    def mark(*_: object) -> None:
        _wait(device)
        marks.append(time.perf_counter())

    hooks = [model.blocks[0].register_forward_pre_hook(mark), model.norm_out.register_forward_pre_hook(mark)]
    spans: list[tuple[float, float]] = []
    try:
        for turn in range(1 + REPEATS):
            marks.clear()
            mark()
            model(**inputs)
            mark()
            start, first, last, end = marks
            if turn:
                spans.append((end - start, last - first))
                if sum(one for one, _ in spans) > ENOUGH_S or clock.left_s < end - start:
                    break
    finally:
        for hook in hooks:
            hook.remove()
    seconds, blocks = min(spans, key=lambda s: abs(s[0] - statistics.median(one for one, _ in spans)))
    whole = seconds - blocks + blocks * BLOCKS / scale.layers
    return Run(what="forward", **size.model_dump(), layers=scale.layers, seconds=seconds, whole_s=whole)


def _time_vae(device: str, scale: Scale, clock: _Clock) -> Run:
    """Encoding and decoding a clip: the first time warms up."""
    import torch
    from diffusers import AutoencoderKLWan

    size, found = scale.vae, list[float]()
    vae = _made(device, lambda: AutoencoderKLWan(**scale.options.get("vae", {})))
    clip = torch.randn((1, 3, size.frames, size.height, size.width), device=device, dtype=torch.bfloat16)
    for _ in range(1 + REPEATS):
        _wait(device)
        begun = time.perf_counter()
        vae.decode(vae.encode(clip).latent_dist.mode())
        _wait(device)
        found.append(time.perf_counter() - begun)
        if sum(found) > ENOUGH_S or clock.left_s < 2 * found[-1]:
            break
    seconds = statistics.median(found[1:] or found)
    return Run(what="vae", **size.model_dump(), layers=0, seconds=seconds, whole_s=seconds)


def _wait(device: str) -> None:
    """Until the GPU has done what it was given."""
    if device == "cuda":
        import torch

        torch.cuda.synchronize()
