"""Seconds and dollars of a setting, predicted from constants and prices. Pure: footage comes in as its MediaInfo.

The model of Wan is that of docs/cost.md; every constant carries whether it was measured, published or assumed.
"""

import math
from fractions import Fraction
from pathlib import Path

from pydantic import Field

from ugclab.bench.calibration import Calibrations, Constants, load_calibrations
from ugclab.bench.mesh_model import Stitching, cost_of, expected_stitching, read_stitching, steps_of
from ugclab.bench.prices import Prices, load_prices, near_names
from ugclab.bench.rates import WEIGHTS_GB, forward_s, memory_gb
from ugclab.bench.setting import (
    MESH,
    WAN,
    Breakdown,
    Prediction,
    PriceTag,
    SegmentCost,
    Setting,
    notes,
    provenance,
)
from ugclab.errors import InputError
from ugclab.pipeline.measure import environment
from ugclab.pipeline.plan import fixed_plan
from ugclab.schema.base import Frozen
from ugclab.schema.media import MediaInfo
from ugclab.schema.plan import ALL, SegmentPlan, first_frame
from ugclab.settings import Settings
from ugclab.wan.arithmetic import CLIP_GB, T5_GB, VAE_GB, clips, find_gpu, forward_work, tokens, vae_tflop

LONGEST_CLIP = 81
"""Frames of a clip: 77 is the official default, 81 what the model was trained on."""


class Footage(Frozen):
    """What a prediction is made for."""

    info: MediaInfo
    plan: SegmentPlan
    stitching: Stitching = Field(description="what the plan asks of the file beside the swapped frames")

    @property
    def mpx(self) -> float:
        """Millions of px of a frame."""
        return self.info.width * self.info.height / 1e6

    @property
    def swapped_s(self) -> float:
        """Seconds that are swapped."""
        return float(sum((s.range.duration for s in self.plan.swaps), Fraction(0)))

    def frames(self, rate: Fraction) -> tuple[int, ...]:
        """Frames of each swapped segment at a rate."""
        return tuple(first_frame(s.range.end, rate) - first_frame(s.range.start, rate) for s in self.plan.swaps)


def footage(info: MediaInfo, plan: str, path: Path | None = None) -> Footage:
    """Footage under a plan; the plan "faces" is not known beforehand and counts as "all". Raises PlanError, MediaError.

    With the file itself its packets tell what can be copied; without, its keyframes are taken as evenly spread.
    """
    found = fixed_plan(plan, info) or SegmentPlan.parse(ALL, info.duration, info.frame_rate)
    work = read_stitching(path, info, found) if path else expected_stitching(info, found)
    return Footage(info=info, plan=found, stitching=work)


def fewest_clips(frames: int) -> tuple[int, int]:
    """Number and length of the clips of a segment: the fewest of at most LONGEST_CLIP frames, then the shortest.

    5 s at 30, 24 and 16 frames a second make 2 of 77, 2 of 61 and 1 of 81.
    """
    count = max(1, math.ceil((frames - 1) / (LONGEST_CLIP - 1)))
    length = 4 * math.ceil(max(frames - 1, 4) / count / 4) + 1
    return clips(max(frames, 2), length).count, length


class Teller:
    """Predicts. Holds the prices and calibrations, and how pods are used."""

    def __init__(self, prices: Prices, calibrations: Calibrations, *, utilisation: float = 1.0) -> None:
        if not 0 < utilisation <= 1:
            raise InputError(f"a pod cannot be busy {utilisation:g} of its time", hint="above 0, at most 1")
        self.prices = prices
        self.calibrations = calibrations
        self.utilisation = utilisation
        self._known: dict[str, Constants] = {}
        self.explained: dict[str, dict[str, object]] = {}

    @classmethod
    def of(cls, settings: Settings, *, utilisation: float = 1.0) -> "Teller":
        """With the files that the settings name, and the packaged ones."""
        return cls(
            load_prices(settings.bench_folder), load_calibrations(settings.bench_folder), utilisation=utilisation
        )

    def constants(self, gpu: str) -> Constants:
        """Constants of a GPU, or of this machine's CPU for "". Raises InputError."""
        if gpu not in self._known:
            cpu = environment().cpu if not gpu else ""
            self._known[gpu] = self.calibrations.gpu(gpu) if gpu else self.calibrations.cpu(cpu)
        return self._known[gpu].fresh()

    def predict(
        self, given: Footage, setting: Setting, price: PriceTag | None, gives_up: tuple[str, ...] = ()
    ) -> Prediction:
        """Seconds and dollars of one setting. Raises InputError where a constant is not known."""
        constants = self.constants(setting.gpu)
        warnings: tuple[str, ...] = ()
        if setting.engine == MESH:
            segments, once = _mesh(given, constants)
            warnings = self._of_another(constants)
        elif setting.engine == WAN:
            segments, once, warnings = _wan(given, setting, constants)
        else:
            raise InputError(
                f"the engine '{setting.engine}' has no model of its time", hint=near_names(setting.engine, [MESH, WAN])
            )
        each = Breakdown(
            **{f: sum(getattr(s, f) for _, s in segments) + getattr(once, f) for f in Breakdown.model_fields}
        )
        usd_s = price.usd_s / (self.utilisation if setting.provision == "pod" else 1.0) if price else None
        usd = None if usd_s is None else (each.seconds + each.idle_s) * usd_s
        for name, constant in constants.used.items():
            self.explained[f"{constants.device} {name}"] = constant.model_dump(mode="json")
        return Prediction(
            setting=setting,
            seconds=each.seconds,
            usd=usd,
            breakdown=each,
            segments=tuple(
                cost.model_copy(update={"usd": None if usd_s is None else cost.seconds * usd_s}) for cost, _ in segments
            ),
            price=price,
            provenance=provenance(constants.used) | ({"utilisation": "assumed"} if setting.provision == "pod" else {}),
            gives_up=gives_up,
            warnings=warnings + notes(constants),
        )

    def _of_another(self, constants: Constants) -> tuple[str, ...]:
        here = environment()
        if (constants.device, constants.cores) == (here.cpu, here.cores):
            return ()
        there = f"{constants.device}, {constants.cores} cores"
        return (f"measured on another CPU ({there}): calibrate this one with ugclab bench calibrate --only mesh",)


Parts = list[tuple[SegmentCost, Breakdown]]


def _stitch(given: Footage, constants: Constants) -> float:
    return constants["stitch.start_s"] + constants["stitch.media_s"] * float(given.info.duration)


def _mesh(given: Footage, constants: Constants) -> tuple[Parts, Breakdown]:
    asked = steps_of(given.info, given.plan, given.stitching)
    parts: Parts = []
    frames = given.frames(given.info.frame_rate)
    for segment, count, seen, swapped in zip(given.plan.swaps, frames, asked.analyse, asked.swap, strict=True):
        both = cost_of("analyse", seen, constants).wall_s + cost_of("swap", swapped, constants).wall_s
        each = Breakdown(engine_s=both)
        parts.append((_cost(segment.index, float(segment.range.duration), count, 0, each), each))
    once = cost_of("start", asked.start, constants).wall_s + cost_of("analyse", asked.avatar, constants).wall_s
    return parts, Breakdown(other_s=once, stitch_s=cost_of("stitch", asked.stitch, constants).wall_s)


def _wan(given: Footage, setting: Setting, constants: Constants) -> tuple[Parts, Breakdown, tuple[str, ...]]:
    size = setting.width, setting.height
    disk = "network" if setting.provision == "serverless" else "nvme"
    weights = WEIGHTS_GB.get(setting.precision, 0.0) + CLIP_GB + VAE_GB + (T5_GB if setting.state == "reload" else 0)
    load_s = 0.0 if setting.state == "warm" else weights / constants[f"load.{disk}"]
    parts: Parts = []
    shown = given.frames(given.info.frame_rate)
    for segment, frames, written in zip(given.plan.swaps, given.frames(setting.frame_rate), shown, strict=True):
        count, length = fewest_clips(frames)
        work = forward_work(tokens(*size, length), length)
        made = count * (length - 1) + 1
        each = Breakdown(
            load_s=load_s if setting.state == "reload" else 0.0,
            preprocess_s=made * constants["preprocess.frame_s"] * constants["preprocess.factor"]
            + constants["preprocess.segment_s"],
            transformer_s=count * setting.steps * forward_s(work, constants, setting.precision),
            vae_s=count * vae_tflop(*size, length) / constants["vae"],
            other_s=constants["segment_s"],
            stitch_s=written * (constants["stitch.frame_s"] + constants["stitch.mpx_s"] * given.mpx),
        )
        parts.append((_cost(segment.index, float(segment.range.duration), frames, count, each), each))
    card_gb = constants["memory_gb"] if "memory_gb" in constants else find_gpu(setting.gpu).memory_gb
    offload = memory_gb(size[0] * size[1], setting.precision) > card_gb
    once = Breakdown(
        load_s=load_s if setting.state == "cold" else 0.0,
        transfer_s=2 * given.info.size_bytes / 1e6 / constants["transfer.mb_s"],
        other_s=constants["offload_s"] if offload else 0.0,
        stitch_s=_stitch(given, constants),
        idle_s=constants["idle_s"] if setting.provision == "serverless" else 0.0,
    )
    warnings = ("the weights do not fit: offloaded block by block, the transfer taken as hidden",) if offload else ()
    return parts, once, warnings


def _cost(index: int, media_s: float, frames: int, count: int, each: Breakdown) -> SegmentCost:
    return SegmentCost(index=index, media_s=media_s, frames=frames, clips=count, seconds=each.seconds)


def on_this_machine(given: Footage, usd_per_hour: float) -> tuple[Setting, PriceTag | None]:
    """The embedded engine here, at the operator's price; no price where none is set."""
    setting = Setting(
        engine=MESH,
        provision="own",
        width=given.info.width,
        height=given.info.height,
        frame_rate=given.info.frame_rate,
    )
    source = "UGCLAB_USD_PER_HOUR"
    return setting, PriceTag(usd_s=usd_per_hour / 3600, source=source) if usd_per_hour else None


def estimate_cost(info: MediaInfo, plan: str, engine: str, settings: Settings) -> Prediction | None:
    """What a job is predicted to take and cost on this machine; None for an engine whose time nobody has modelled.

    The plan "faces" counts as "all": the most it can come to. Raises PlanError.
    """
    if engine != MESH:
        return None
    given = footage(info, plan)
    return Teller.of(settings).predict(given, *on_this_machine(given, settings.usd_per_hour))


def check_cost(info: MediaInfo, plan: str, engine: str, max_cost_usd: float | None, settings: Settings) -> None:
    """Raise InputError if a job is predicted to cost more than it may."""
    if max_cost_usd is None:
        return
    found = estimate_cost(info, plan, engine, settings)
    if found and found.usd is not None and found.usd > max_cost_usd:
        raise InputError(
            f"it would cost about ${found.usd:.4f} ({found.seconds:.0f} s at ${settings.usd_per_hour:g} an hour), "
            f"${max_cost_usd:g} are allowed",
            hint="swap less of it, or allow more: --max-cost-usd",
        )
