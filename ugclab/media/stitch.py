"""Put swapped segments into their source: untouched packets are copied, times kept, the sound left as it is.

The three modes and what they promise: `smart` copies every kept packet that does not hang together with a swapped one
and encodes the few between again (a bridge); `prepared` is the same on a file made for it, without bridges; `full`
encodes every frame once. Which one, and why, is decided by `plan_stitch`.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from ugclab.errors import Cancelled, MediaError, OutputError
from ugclab.media import nal
from ugclab.media.encode import EncodeTarget, encode_packets, encoded_sample, encoder_headers
from ugclab.media.frames import read_frames, stage
from ugclab.media.modes import StitchPlan
from ugclab.media.output import check_folder, whole_file
from ugclab.media.packets import Ints, decodable, scan
from ugclab.media.pieces import Piece, decode_times, output_times, reorder_depth
from ugclab.media.source import open_source, video_stream
from ugclab.media.tracks import Route, add_tracks, plan_routes
from ugclab.schema.base import Frozen
from ugclab.schema.job import StitchMode

DISCLOSURE = "Contains AI-generated imagery: faces were replaced in parts of this video"
"""Written into every result's metadata, with the engine's name."""
CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov"}


class StitchResult(Frozen):
    """What was made of which frames."""

    path: Path
    mode: StitchMode
    reason: str
    frames: int
    exact_frames: int
    """Copied bit for bit."""
    bridge_frames: int
    """Kept, but encoded again since they hang together with swapped ones."""
    reencoded_frames: int
    """Kept, and encoded again because the mode is `full`; bridges not counted."""
    exact_share: float
    """Exact frames over kept frames; 1 if none is kept."""
    size_bytes: int
    warnings: tuple[str, ...] = ()


def stitch(
    plan: StitchPlan,
    segments: Mapping[int, Path],
    output: Path,
    *,
    bridges: Mapping[int, Path] | None = None,
    engine: str = "",
    disclosure: str = DISCLOSURE,
    report: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> StitchResult:
    """Write `output` (mp4 or mov) from the source and the files of its swapped segments, by segment index.

    `bridges` are those made already, by their first frame (`bridges.made_bridges`). The file is whole or absent.
    `report` gets (frames done, frames in all). Raises MediaError for a segment's file that is missing or does not fit,
    Cancelled, DiskFull, OutputError.
    """
    check_output(plan.source, output)
    routes: tuple[Route, ...] = ()
    # Outermost the sources: what goes wrong in writing must not be taken for a fault of theirs.
    with open_source(plan.source) as source, open_source(plan.source) as sound, whole_file(output) as temporary:
        routes = plan_routes(sound, plan.index, output)
        packets = _VideoPackets(plan, segments, bridges or {}, source)
        options = _muxer_options(plan, packets, routes)
        with av.open(str(temporary), "w", format=CONTAINERS[output.suffix.lower()], container_options=options) as out:
            _tag(out, source, disclosure, engine)
            _mux(out, plan, packets, sound, routes, report, cancelled)
    return _result(plan, routes, output)


def check_output(source: Path, output: Path) -> None:
    """Raise OutputError unless `output` can be written, is an mp4 or mov, and is not the source itself."""
    if output.suffix.lower() not in CONTAINERS:
        raise OutputError(f"'{output.suffix}' is no container we write", hint="name it .mp4 or .mov")
    check_folder(output)
    if output.exists() and output.samefile(source):
        raise OutputError("the output is the source itself", hint="choose another name")


def _mux(
    out: OutputContainer,
    plan: StitchPlan,
    packets: "_VideoPackets",
    sound: InputContainer,
    routes: tuple[Route, ...],
    report: Callable[[int, int], None],
    cancelled: Callable[[], bool],
) -> None:
    """Interleave picture and sound by decoding time."""
    with encoded_sample(plan.target) as sample:
        template = sample if plan.mode is StitchMode.FULL else packets.stream
        video = out.add_stream_from_template(template, opaque=True)
        video.codec_context.extradata = packets.headers(bytes(sample.codec_context.extradata or b""))
        video.time_base = plan.index.time_base
        if plan.target.codec == "hevc":
            video.codec_context.codec_tag = "hvc1"
        tracks = add_tracks(sound, out, routes, packets.shift * plan.index.time_base)
        waiting = next(tracks, None)
        total = plan.info.frames
        for done, packet in enumerate(packets):
            if cancelled():
                raise Cancelled("cancelled")
            while waiting is not None and waiting[0] <= packet.dts * plan.index.time_base:
                out.mux(waiting[1])
                waiting = next(tracks, None)
            packet.stream = video
            out.mux(packet)
            report(min(done + 1, total), total)
        while waiting is not None:
            out.mux(waiting[1])
            waiting = next(tracks, None)


def _tag(out: OutputContainer, source: InputContainer, disclosure: str, engine: str) -> None:
    metadata = {k: v for k, v in source.metadata.items() if k in ("title", "artist", "creation_time", "copyright")}
    if disclosure:
        text = f"{disclosure} (ugclab{', engine ' + engine if engine else ''})"
        metadata |= {"comment": text, "description": text}
    out.metadata.update(metadata)


def _muxer_options(plan: StitchPlan, packets: "_VideoPackets", routes: tuple[Route, ...]) -> dict[str, str]:
    """The source's clock, and room for the index before the pictures: what faststart gives, without a second pass."""
    clock = plan.index.time_base.denominator
    # Late starts are written in the movie's ticks: with these they are exact for picture and sound.
    movie = math.lcm(clock, *(track.sample_rate for track in plan.info.audio))
    movie = movie if movie < 2**31 else clock
    # The most an index needs: 44 bytes a picture (stts 8, ctts 8, stsz 4, stss 4, stsc 12, co64 8), 32 a sound packet.
    room = 65_536 + 44 * packets.count + 32 * sum(r.packets for r in routes)
    for route in routes:
        room += 0 if route.copied else 32 * int(plan.info.duration * 100)
    return {"video_track_timescale": str(clock), "movie_timescale": str(movie), "moov_size": str(room)}


def _result(plan: StitchPlan, routes: tuple[Route, ...], output: Path) -> StitchResult:
    count = {
        kind: sum(p.frames for p in plan.pieces if p.kind == kind) for kind in ("copy", "bridge", "encode", "segment")
    }
    kept = plan.info.frames - count["segment"]
    warnings = [f"audio track {r.stream_index} was encoded again: {r.reason}" for r in routes if not r.copied]
    return StitchResult(
        path=output,
        mode=plan.mode,
        reason=plan.reason,
        frames=plan.info.frames,
        exact_frames=count["copy"],
        bridge_frames=count["bridge"],
        reencoded_frames=count["encode"],
        exact_share=count["copy"] / kept if kept else 1.0,
        size_bytes=output.stat().st_size,
        warnings=(*plan.warnings, *warnings),
    )


@dataclass(frozen=True, slots=True)
class _PieceFile:
    path: Path
    headers: bytes
    ranks: dict[int, int]
    """Frame number within the piece, by timestamp."""


class _VideoPackets:
    """The result's video packets in decode order, with their times; nothing is read before the first is asked for."""

    def __init__(
        self, plan: StitchPlan, segments: Mapping[int, Path], bridges: Mapping[int, Path], source: InputContainer
    ) -> None:
        self._plan = plan
        self._source = source
        self.stream = video_stream(source, plan.source.name)
        self._files: dict[int, _PieceFile] = {}
        """By the piece's first frame."""
        for piece in plan.pieces:
            if piece.kind == "segment":
                path = segments.get(piece.segment)
                if path is None:
                    raise MediaError(f"segment {piece.segment} has no file", hint="swap it first")
                self._files[piece.first] = _check_file(plan.target, piece, path)
            elif piece.kind == "bridge" and piece.first in bridges:
                self._files[piece.first] = _check_file(plan.bridge, piece, bridges[piece.first])
        index = plan.index
        copied = [np.arange(p.packet, p.packet_end) for p in plan.pieces if p.kind == "copy"]
        numbers = np.concatenate(copied) if copied else np.zeros(0, np.int64)
        hidden = index.pts[numbers][~index.shown[numbers]]
        self._shown: Ints = index.times
        self.count = len(self._shown) + len(hidden)
        self.shift = _shift(plan, source)
        times = output_times(self._shown, hidden) + self.shift
        depth = reorder_depth(index.pts) if copied else 0
        self._dts = decode_times(times, depth)

    def headers(self, ours: bytes) -> bytes:
        """Decoder configuration of the result: the source's parameter sets, ours, and the segments'."""
        if self._plan.target.codec == "hevc":
            if any(file.headers != ours for file in self._files.values()):
                raise MediaError("a segment was encoded with other settings", hint="encode it again for this plan")
            return ours
        try:
            sets = nal.read_parameter_sets(ours)
            if self._plan.mode is not StitchMode.FULL and self._plan.index.parameter_sets is not None:
                known = self._plan.index.parameter_sets
                sets = nal.ParameterSets(known.sps, known.pps).merge(sets)
            if any(piece.kind == "bridge" for piece in self._plan.pieces):
                sets = sets.merge(nal.read_parameter_sets(encoder_headers(self._plan.bridge)))
            for file in self._files.values():
                sets = sets.merge(nal.read_parameter_sets(file.headers))
        except ValueError as error:
            raise MediaError(
                f"a segment was encoded with other settings ({error})", hint="encode it again for this plan"
            ) from error
        return sets.to_avcc()

    def __iter__(self) -> Iterator[Any]:
        source = enumerate(p for p in decodable(self._source, self.stream) if p.stream_index == self.stream.index)
        position = 0
        for piece in self._plan.pieces:
            if piece.kind == "copy":
                packets = self._copied(source, piece)
            elif piece.first in self._files:
                packets = self._from_file(piece)
            else:
                packets = self._encoded(piece)
            for packet in packets:
                packet.pts += self.shift
                packet.dts = int(self._dts[position])
                if packet.pts < packet.dts:
                    raise MediaError("the coded pictures' order cannot be kept", hint="stitch in mode full")
                packet.time_base = self._plan.index.time_base
                packet.duration = self._duration(packet.pts - self.shift)
                position += 1
                if position == self.count:  # the track's length is the sum of its decoding steps: make it come out
                    packet.duration = self._plan.index.end - int(self._shown[0]) - int(self._dts[-1] - self._dts[0])
                yield packet

    def _duration(self, pts: int) -> int:
        following = int(np.searchsorted(self._shown, pts, side="right"))
        return (int(self._shown[following]) if following < len(self._shown) else self._plan.index.end) - pts

    def _copied(self, source: Iterator[tuple[int, Any]], piece: Piece) -> Iterator[Any]:
        annex_b = self._plan.index.length_size == 0
        for number, packet in source:
            if number < piece.packet:
                continue
            if packet.pts is None:
                packet.pts = int(self._plan.index.pts[number])
            yield _packet(nal.to_prefixed(bytes(packet), without=nal.H264_AUD), packet) if annex_b else packet
            if number + 1 == piece.packet_end:
                return

    def _from_file(self, piece: Piece) -> Iterator[Any]:
        file = self._files[piece.first]
        with open_source(file.path) as container:
            for packet in decodable(container, video_stream(container, file.path.name)):
                packet.pts = int(self._shown[piece.first + file.ranks[packet.pts or 0]])
                yield packet

    def _encoded(self, piece: Piece) -> Iterator[Any]:
        plan = self._plan
        target = plan.target if piece.kind == "encode" else plan.bridge
        part = plan.span(piece.first, piece.end)
        decoded = read_frames(plan.source, plan.info, part, tone_map=plan.tone_map, borrow=True)
        frames = stage(decoded, name="decode")
        count = 0
        for coded in encode_packets(frames, target):
            packet = Packet(coded.data)
            packet.pts = coded.pts
            packet.is_keyframe = coded.keyframe
            count += 1
            yield packet
        if count != piece.frames:
            raise MediaError(
                f"{piece.frames - count} of {piece.frames} frames of {plan.source.name} cannot be decoded",
                hint="convert it first: ffmpeg -i in -c:v libx264 out.mp4",
            )


def _packet(data: bytes, like: Any) -> Any:
    packet: Any = Packet(data)
    packet.pts, packet.is_keyframe = like.pts, like.is_keyframe
    return packet


def _shift(plan: StitchPlan, source: InputContainer) -> int:
    """Ticks added to every time: transport streams start anywhere, an mp4's first instant is 0."""
    if "mp4" in plan.info.container:
        return 0
    starts = [int(plan.index.times[0]) * plan.index.time_base]
    starts += [s.start_time * Fraction(s.time_base or 0) for s in source.streams.audio if s.start_time is not None]
    return -int(max(min(starts), Fraction(0)) / plan.index.time_base)


def _check_file(target: EncodeTarget, piece: Piece, path: Path) -> _PieceFile:
    name = f"segment {piece.segment}" if piece.kind == "segment" else f"the bridge at frame {piece.first}"
    index = scan(path)
    times = index.times
    if len(times) != piece.frames:
        raise MediaError(
            f"the file of {name} holds {len(times)} frames, {piece.frames} are due", hint="swap the segment again"
        )
    with open_source(path) as container:
        stream: VideoStream = video_stream(container, path.name)
        headers = bytes(stream.codec_context.extradata or b"")
        if stream.codec_context.name != target.codec or (stream.width, stream.height) != _size(target):
            raise MediaError(f"the file of {name} has another format", hint="encode it for this plan")
    return _PieceFile(path, headers, {int(pts): rank for rank, pts in enumerate(times)})


def _size(target: EncodeTarget) -> tuple[int, int]:
    return target.width, target.height
