"""Which way of stitching a source allows, and why: a pure function of what was probed, and the encoder it needs."""

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from av.sidedata.sidedata import Type as SideDataType

from ugclab.errors import InputError
from ugclab.media import nal, probe
from ugclab.media.colour import BT709
from ugclab.media.encode import EncodeTarget, encoder_headers
from ugclab.media.packets import PacketIndex, scan
from ugclab.media.pieces import Piece, full_pieces, smart_pieces, snap
from ugclab.media.planes import frame_colour
from ugclab.media.source import open_source
from ugclab.schema.job import StitchMode
from ugclab.schema.media import MediaInfo, TimeRange
from ugclab.schema.plan import SegmentPlan

_PROFILES: dict[int, Literal["baseline", "main", "high"]] = {66: "baseline", 77: "main"}


@dataclass(frozen=True, slots=True, eq=False)
class StitchPlan:
    """All that is decided before anything is encoded."""

    source: Path
    info: MediaInfo
    mode: StitchMode
    """Never AUTO."""
    reason: str
    """Why this mode, as a sentence."""
    target: EncodeTarget
    """What swapped segments are encoded to, so that they fit the rest: give it to `encode_segment`."""
    bridge: EncodeTarget
    """What kept frames are encoded to that cannot be copied; `target` itself in mode `full`."""
    pieces: tuple[Piece, ...]
    index: PacketIndex
    tone_map: bool = False
    warnings: tuple[str, ...] = field(default=())

    @property
    def exact_frames(self) -> int:
        """Frames whose packets are copied."""
        return sum(p.frames for p in self.pieces if p.kind == "copy")

    def span(self, first: int, end: int) -> TimeRange:
        """The footage time of frames [first, end)."""
        times, base = self.index.times, self.index.time_base
        origin, last = int(times[0]), int(times[end]) if end < len(times) else self.index.end
        return TimeRange(start=(int(times[first]) - origin) * base, end=(last - origin) * base)


def plan_stitch(
    path: Path,
    info: MediaInfo,
    plan: SegmentPlan,
    *,
    mode: StitchMode = StitchMode.AUTO,
    crf: int = 18,
    preset: str = "veryfast",
    tone_map: bool = False,
) -> StitchPlan:
    """Decide how the swapped segments of `plan` will be put into `path`.

    AUTO takes `smart` where the source allows it, else `full`. SMART and PREPARED raise InputError where it does not;
    PREPARED wants a file that `prepare` made for this plan. Raises MediaError, PlanError.
    """
    index = scan(path)
    ranges = snap(plan, index.times, index.time_base)
    obstacle = "full was asked for" if mode is StitchMode.FULL else smart_obstacle(info, index, tone_map=tone_map)
    pieces = smart_pieces(index, ranges) if not obstacle else ()
    if not obstacle and not any(p.kind == "copy" for p in pieces):
        kept = any(not r.swap for r in ranges)
        obstacle = "no keyframe is near enough to copy anything" if kept else "every frame is swapped"
    sets = index.parameter_sets
    targets = None if obstacle or sets is None else _smart_targets(info, sets, crf, preset)
    if targets is None and not obstacle:
        obstacle = "its parameter sets leave no room for ours"
    if targets is not None:
        bridged = sum(p.frames for p in pieces if p.kind == "bridge")
        if mode is StitchMode.PREPARED and bridged:
            raise InputError(
                f"{path.name} was not prepared for this plan",
                hint="make a file for it: ugclab prepare SOURCE --plan THE_SAME -o PREPARED.mp4",
            )
        chosen = StitchMode.PREPARED if mode is StitchMode.PREPARED else StitchMode.SMART
        reason = f"H.264 in 8 bits with {'closed groups' if info.gop.closed else 'some open groups'} of pictures" + (
            f": all but {bridged} frames beside the cuts are copied" if bridged else ": every kept frame is copied"
        )
        return StitchPlan(path, info, chosen, reason, *targets, pieces, index)
    if mode in (StitchMode.SMART, StitchMode.PREPARED):
        raise InputError(f"{path.name} cannot be stitched in mode {mode}: {obstacle}", hint="use mode auto or full")
    warnings = _full_warnings(info, tone_map=tone_map)
    target = full_target(path, info, crf=crf, preset=preset, tone_map=tone_map)
    reason = f"encoded as a whole: {obstacle}"
    return StitchPlan(
        path, info, StitchMode.FULL, reason, target, target, full_pieces(ranges), index, tone_map, warnings
    )


def smart_obstacle(info: MediaInfo, index: PacketIndex, *, tone_map: bool = False) -> str:
    """What forbids copying packets, as the end of a sentence; empty if nothing does."""
    sets = index.parameter_sets
    hidden = index.pts[~index.shown]
    times = index.times
    checks = (
        (info.video_codec != "h264", f"the codec is {info.video_codec}"),
        (info.pixel_format not in ("yuv420p", "yuvj420p"), f"its pictures are {info.pixel_format}"),
        (info.interlaced, "it is interlaced"),
        (tone_map and info.colour.hdr, "its colours are to be tone-mapped"),
        (sets is None, "its parameter sets change on the way"),
        (index.length_size not in (0, 4), "its units have short lengths"),
        (bool(np.any((hidden > times[0]) & (hidden < times[-1]))), "an edit list cuts inside it"),
        (not bool(index.idr.any()), "it has no IDR picture"),
    )
    obstacle = next((text for found, text in checks if found), "")
    if obstacle or sets is None:
        return obstacle
    try:
        parsed = [nal.parse_sps(unit) for unit in sets.sps]
    except ValueError:
        return "its parameter sets cannot be read"
    if not all(sps.progressive for sps in parsed):
        return "it may hold interlaced pictures"
    if len({(sps.width_mbs, sps.height_map_units, sps.crop) for sps in parsed}) > 1:
        return "its picture size changes on the way"
    return ""


def _smart_targets(
    info: MediaInfo, sets: nal.ParameterSets, crf: int, preset: str
) -> tuple[EncodeTarget, EncodeTarget] | None:
    """Encoders of swapped and of bridge frames that fit between copied ones; None where none would."""
    sps = nal.parse_sps(sets.sps[0])
    sideways = info.rotation % 180 != 0
    profile = _PROFILES.get(sps.profile_idc, "high")
    target = EncodeTarget(
        width=info.height if sideways else info.width,
        height=info.width if sideways else info.height,
        rotation=info.rotation,
        mirrored=info.mirrored,
        pixel_aspect=1 / info.pixel_aspect if sideways else info.pixel_aspect,
        time_base=info.time_base,
        frame_rate=encoder_rate(info),
        colour=frame_colour(info.colour),
        profile=profile,
        level=f"{sps.level_idc // 10}.{sps.level_idc % 10}",
        crf=crf,
        preset=preset,
    )
    made = nal.parse_sps(nal.read_parameter_sets(encoder_headers(target)).sps[0])
    if (made.width_mbs, made.height_map_units) != (sps.width_mbs, sps.height_map_units):
        return None
    swapped = _with_free_number(target, sets)
    if swapped is None:
        return None
    bridge = _with_free_number(swapped.bridge, sets.merge(nal.read_parameter_sets(encoder_headers(swapped))))
    return (swapped, bridge) if bridge is not None else None


def _with_free_number(target: EncodeTarget, sets: nal.ParameterSets) -> EncodeTarget | None:
    """The target with a parameter set number that means nothing else in the source.

    Where the same encoder made the source (a prepared file, or one of our results), its own set serves, so that one is
    enough for the whole video.
    """
    for number in sorted(i for i in sets.ids if i < 32)[:4]:
        candidate = target.model_copy(update={"parameter_set_id": number})
        ours = nal.read_parameter_sets(encoder_headers(candidate))
        if set(ours.sps) <= set(sets.sps) and set(ours.pps) <= set(sets.pps):
            return candidate
    free = next((number for number in range(32) if number not in sets.ids), None)
    return target.model_copy(update={"parameter_set_id": free}) if free is not None else None


def encoder_rate(info: MediaInfo) -> Any:
    """A rate for rate control and headers only: timestamps are what counts."""
    return info.frame_rate.limit_denominator(1001)


def full_target(
    path: Path,
    info: MediaInfo,
    *,
    crf: int,
    preset: str,
    tone_map: bool,
    bit_depth: Literal[8, 10] | None = None,
) -> EncodeTarget:
    """The encoder of a whole video: upright, H.264 in 8 bits, HEVC where the frames have more."""
    colour = BT709 if tone_map and info.colour.hdr else frame_colour(info.colour, bit_depth)
    deep = colour.bit_depth > 8
    mastering, light = _hdr_metadata(path) if deep and info.colour.hdr else ("", "")
    return EncodeTarget(
        codec="hevc" if deep else "h264",
        width=info.width + info.width % 2,
        height=info.height + info.height % 2,
        pixel_aspect=info.pixel_aspect,
        time_base=info.time_base,
        frame_rate=encoder_rate(info),
        colour=colour,
        profile="main10" if deep else "high",
        crf=crf,
        preset=preset,
        mastering_display=mastering,
        content_light=light,
    )


def _full_warnings(info: MediaInfo, *, tone_map: bool) -> tuple[str, ...]:
    warnings = []
    if info.width % 2 or info.height % 2:
        warnings.append("the odd size was made even by repeating the last column or row")
    if info.interlaced:
        warnings.append("the interlaced footage was deinterlaced")
    if info.pixel_format not in ("yuv420p", "yuvj420p", "yuv420p10le"):
        warnings.append(f"the pictures were converted from {info.pixel_format} to 4:2:0")
    if tone_map and info.colour.hdr:
        warnings.append("HDR colours were tone-mapped to bt709")
    return tuple(warnings)


def _hdr_metadata(path: Path) -> tuple[str, str]:
    """Mastering display and content light level of the first picture, in x265's form."""
    with open_source(path) as container:
        picture: Any = probe.first_picture(container, path.name)
        data = {picture.side_data[i].type: bytes(picture.side_data[i]) for i in range(len(picture.side_data))}
    mastering = light = ""
    raw = data.get(SideDataType.MASTERING_DISPLAY_METADATA)
    if raw is not None:  # AVMasteringDisplayMetadata: 3 x 2 primaries, white point, luminance, as rationals; two flags
        *numbers, has_primaries, has_luminance = struct.unpack("22i", raw[:88])
        values = [n / d if d else 0.0 for n, d in zip(numbers[::2], numbers[1::2], strict=True)]
        if has_primaries and has_luminance:
            rx, ry, gx, gy, bx, by, wx, wy = (round(v * 50000) for v in values[:8])
            low, high = (round(v * 10000) for v in values[8:10])
            mastering = f"G({gx},{gy})B({bx},{by})R({rx},{ry})WP({wx},{wy})L({high},{low})"
    raw = data.get(SideDataType.CONTENT_LIGHT_LEVEL)
    if raw is not None:
        light = "{},{}".format(*struct.unpack("2I", raw[:8]))
    return mastering, light
