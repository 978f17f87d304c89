"""How long the embedded engine takes: processor seconds of a step are amounts of work times constants of the machine.

The same amounts serve both ways: measured runs decide the constants (`solve`), constants predict a run (`seconds_of`).
Pictures cost by the frame, by their millions of px, and by what is in them, told by the bits the source spends on them:
decoding follows the bits, encoding the root of bits times px. What is not known beforehand is not in it: how large the
faces are, how many there are, how quickly they move.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from pydantic import Field

from ugclab.errors import InputError
from ugclab.media.bridges import beside
from ugclab.media.modes import plan_stitch
from ugclab.media.pieces import Piece
from ugclab.schema.base import Frozen
from ugclab.schema.media import MediaInfo
from ugclab.schema.plan import SegmentPlan, first_frame

Amounts = Mapping[str, float]
"""Amounts of work by the constant that each is multiplied with."""
ALONE = (
    *("mesh.analyse_s", "mesh.avatar_s", "mesh.segment_s", "mesh.swap_s", "mesh.stitch_s"),
    *("mesh.lead_mpx_s", "mesh.lead_mbit_s", "mesh.bridge_mpx_s", "mesh.bridge_detail_s"),
)
"""What one thread does while the others wait: the engine a frame at a time, the way to a segment, a bridge beside it.
Decoding and encoding a segment overlap with the engine."""


class Constants(Protocol):
    """Constants by name: a mapping, or a calibration's."""

    def __getitem__(self, name: str, /) -> float:
        """Processor seconds of a unit of work, or cores."""


class Passing(Frozen):
    """What one pass over a swap segment reads and writes beside its swapped frames, in frames (media/bridges.py)."""

    lead: int = Field(0, description="from the keyframe before it up to the first that is wanted")
    before: int = Field(0, description="of the bridge before the segment, which the same pass makes")
    after: int = Field(0, description="of the bridge after it")


class Stitching(Frozen):
    """What a plan asks of a file beside its swapped frames, in frames."""

    passes: tuple[Passing, ...] = Field(description="of each swap")
    encoded: int = Field(0, description="kept frames encoded anew because nothing can be copied")

    @property
    def bridged(self) -> int:
        """Kept frames encoded anew because they hang together with swapped ones."""
        return sum(p.before + p.after for p in self.passes)


def read_stitching(path: Path, info: MediaInfo, plan: SegmentPlan) -> Stitching:
    """As the pipeline will do it, from the file's packets. Raises MediaError, PlanError."""
    decided = plan_stitch(path, info, plan)
    index = decided.index
    keys = np.searchsorted(index.times, np.sort(index.pts[index.keyframe & index.shown]))

    def lead(frame: int) -> int:
        before = keys[keys <= frame]
        return frame - int(before[-1]) if len(before) else frame

    def passing(swap: Piece) -> Passing:
        pieces = beside(decided, swap.segment)
        bridges = [p for p in pieces if p.kind == "bridge"]
        before = sum(p.frames for p in bridges if p.first < swap.first)
        return Passing(lead=lead(pieces[0].first), before=before, after=sum(p.frames for p in bridges) - before)

    return Stitching(
        passes=tuple(passing(p) for p in decided.pieces if p.kind == "segment"),
        encoded=sum(p.frames for p in decided.pieces if p.kind == "encode"),
    )


def expected_stitching(info: MediaInfo, plan: SegmentPlan) -> Stitching:
    """The same where only the probe is known: keyframes taken as evenly spread, a cut as falling between two."""
    spacing = info.frames / max(info.gop.keyframes, 1)
    swaps = [
        (first_frame(s.range.start, info.frame_rate), first_frame(s.range.end, info.frame_rate)) for s in plan.swaps
    ]
    leads = [min(start, round(spacing / 2)) for start, _ in swaps]
    ends = [start for start, _ in swaps[1:]] + [info.frames]
    gaps = [after - end for (_, end), after in zip(swaps, ends, strict=True)]
    kept = info.frames - sum(end - start for start, end in swaps)
    copied = swaps[0][0] > 0 or any(gap > spacing / 2 for gap in gaps)
    plain = info.video_codec == "h264" and info.pixel_format in ("yuv420p", "yuvj420p") and not info.interlaced
    if not plain or not copied:
        return Stitching(passes=tuple(Passing(lead=lead) for lead in leads), encoded=max(kept, 0))
    after = [max(0, round(min(gap, spacing / 2))) for gap in gaps]
    return Stitching(passes=tuple(Passing(lead=lead, after=some) for lead, some in zip(leads, after, strict=True)))


class Pictures(Frozen):
    """What a frame of the source is."""

    mpx: float
    mbit: float = Field(description="coded size of a frame, sound and container in it")

    @classmethod
    def of(cls, info: MediaInfo) -> "Pictures":
        """Of a probed file."""
        return cls(mpx=info.width * info.height / 1e6, mbit=info.size_bytes * 8 / 1e6 / max(info.frames, 1))

    def lead(self, frames: int) -> dict[str, float]:
        """Decoding on the way to what is wanted."""
        return {"mesh.lead_mpx_s": frames * self.mpx, "mesh.lead_mbit_s": frames * self.mbit}

    def coded(self, name: str, frames: int) -> dict[str, float]:
        """Work that ends in encoding."""
        return {f"{name}_mpx_s": frames * self.mpx, f"{name}_detail_s": frames * (self.mpx * self.mbit) ** 0.5}

    def once(self, media_s: float) -> dict[str, float]:
        """Starting Python, loading models, probing."""
        return {"mesh.start_s": 1.0, "mesh.media_s": media_s}

    def avatar(self) -> dict[str, float]:
        """Looking at the avatar, before the first segment is analysed."""
        return {"mesh.avatar_s": 1.0}

    def analyse(self, frames: int, read: Passing) -> dict[str, float]:
        """Following the faces of a segment."""
        own = {"mesh.analyse_s": float(frames), "mesh.analyse_mpx_s": frames * self.mpx}
        return own | {"mesh.analyse_mbit_s": frames * self.mbit} | self.lead(read.lead + read.before)

    def swap(self, frames: int, read: Passing) -> dict[str, float]:
        """Decoding, swapping and encoding a segment, and the bridges beside it."""
        own = {"mesh.segment_s": 1.0, "mesh.swap_s": float(frames)} | self.coded("mesh.swap", frames)
        return own | self.coded("mesh.bridge", read.before + read.after) | self.lead(read.lead)

    def stitch(self, work: Stitching, media_s: float) -> dict[str, float]:
        """Putting the segments in."""
        return {"mesh.stitch_s": 1.0, "mesh.stitch_media_s": media_s} | self.coded("mesh.encode", work.encoded)


class Steps(Frozen):
    """Amounts of all steps of a job; of analysis and swap by segment."""

    start: Amounts
    avatar: Amounts
    analyse: tuple[Amounts, ...]
    swap: tuple[Amounts, ...]
    stitch: Amounts


def steps_of(info: MediaInfo, plan: SegmentPlan, work: Stitching) -> Steps:
    """What a plan asks of the embedded engine."""
    pictures, media_s, rate = Pictures.of(info), float(info.duration), info.frame_rate
    frames = [first_frame(s.range.end, rate) - first_frame(s.range.start, rate) for s in plan.swaps]
    return Steps(
        start=pictures.once(media_s),
        avatar=pictures.avatar(),
        analyse=tuple(map(pictures.analyse, frames, work.passes)),
        swap=tuple(map(pictures.swap, frames, work.passes)),
        stitch=pictures.stitch(work, media_s),
    )


class Cost(Frozen):
    """What a step takes."""

    wall_s: float
    cpu_s: float


def seconds_of(amounts: Amounts, constants: Constants) -> float:
    """Processor seconds of a step. Raises what `constants` raises for a constant that is not there."""
    return sum(amount * constants[name] for name, amount in amounts.items() if amount)


def cost_of(step: str, amounts: Amounts, constants: Constants) -> Cost:
    """Seconds of a step ("start", "analyse", "swap", "stitch") on an idle machine.

    What one thread does alone takes its processor time; the rest overlaps, on so many cores.
    """
    alone, rest = _parted(amounts, constants)
    return Cost(wall_s=alone + rest / constants[f"mesh.{step}_cores"], cpu_s=alone + rest)


def overlap(measured: Sequence[tuple[Amounts, Cost]], constants: Constants) -> float:
    """Cores that share what is not done by one thread alone: the upper quartile of the runs, since other work on the
    machine only ever makes it look less; of runs that share much, if there are any."""
    found = []
    parts = [_parted(amounts, constants) for amounts, _ in measured]
    telling = any(rest > alone for alone, rest in parts)
    for (alone, rest), (_, cost) in zip(parts, measured, strict=True):
        if telling and rest <= alone:
            continue
        share = cost.cpu_s / (alone + rest)  # as if the model had its processor time right
        found.append(rest * share / max(cost.wall_s - alone * share, 0.05 * cost.wall_s))
    return max(float(np.percentile(found, 75)), 0.1) if found else 1.0


def _parted(amounts: Amounts, constants: Constants) -> tuple[float, float]:
    """Processor seconds of what one thread does alone, and of the rest."""
    alone = seconds_of({name: a for name, a in amounts.items() if name in ALONE}, constants)
    return alone, seconds_of(amounts, constants) - alone


def solve(rows: Sequence[tuple[Amounts, float]], known: Mapping[str, float]) -> dict[str, float]:
    """Constants, none below zero, that explain measured steps (amounts, seconds) by least relative error.

    `known` are taken as they are. Raises InputError where there are fewer steps than constants.
    """
    names = sorted({name for amounts, _ in rows for name, amount in amounts.items() if amount and name not in known})
    if len(rows) < len(names):
        raise InputError(f"{len(rows)} runs cannot decide {len(names)} constants", hint="measure more footage")
    rest = [s - seconds_of({n: a for n, a in amounts.items() if n in known}, known) for amounts, s in rows]
    weights = np.array([1 / seconds for _, seconds in rows])
    matrix = np.array([[amounts.get(name, 0.0) for name in names] for amounts, _ in rows]) * weights[:, None]
    right = np.array(rest) * weights
    free = list(range(len(names)))
    while True:  # what would come out below zero is nothing: noise, or the work of another constant
        found = np.linalg.lstsq(matrix[:, free], right, rcond=None)[0]
        if not len(free) or found.min() >= 0:
            break
        free.pop(int(found.argmin()))
    solved = dict.fromkeys(names, 0.0)
    return solved | {names[place]: float(value) for place, value in zip(free, found, strict=True)}
