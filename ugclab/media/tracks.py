"""The sound beside the picture: packets copied as they are, or encoded once where the container cannot hold them."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.filter import Graph
from av.stream import Discard

from ugclab.media.packets import AudioPackets, PacketIndex
from ugclab.media.source import video_stream

_MP4 = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac", "mp2"})
_MOV = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "mp2"})
AAC_BIT_RATE_A_CHANNEL = 96_000
"""Bits per second: transparent for FFmpeg's encoder with all but the hardest sounds."""


@dataclass(frozen=True, slots=True)
class Route:
    """One audio track's way into the result."""

    stream_index: int
    packets: int
    copied: bool
    reason: str = ""
    """Why it cannot be copied."""


def plan_routes(container: InputContainer, index: PacketIndex, output: Path) -> tuple[Route, ...]:
    """Decide for every audio track with packets whether the output's container holds its codec."""
    found: dict[int, AudioPackets] = {track.stream_index: track for track in index.audio}
    routes = []
    for stream in container.streams.audio:
        track = found.get(stream.index)
        if track is None or stream.codec_context is None:
            continue
        codec = stream.codec_context.name
        known = {"mp3float": "mp3", "libopus": "opus"}.get(codec, codec)
        mov = output.suffix.lower() == ".mov"
        fits = known in (_MOV if mov else _MP4) or (mov and known.startswith("pcm_"))
        reason = "" if fits else f"{output.suffix} does not hold {codec}"
        if track.cut_inside:
            reason = "an edit list cuts inside it"
        routes.append(Route(stream.index, track.packets, not reason, reason))
    return tuple(routes)


def add_tracks(
    source: InputContainer, out: OutputContainer, routes: tuple[Route, ...], shift: Fraction
) -> Iterator[tuple[Fraction, Any]]:
    """Add a stream to `out` for every route; then yield (seconds, packet) in the file's order, ready to be muxed.

    `shift` seconds are added to every time. The streams exist when the function returns, before the first packet.
    """
    targets: dict[int, AudioStream] = {}
    for route in routes:
        track = cast(AudioStream, source.streams[route.stream_index])
        if route.copied:
            target = out.add_stream_from_template(track)
        else:
            target = out.add_stream("aac", rate=track.codec_context.sample_rate)
            target.codec_context.layout = track.codec_context.layout
            target.codec_context.bit_rate = AAC_BIT_RATE_A_CHANNEL * track.codec_context.channels
        target.metadata.update({k: v for k, v in track.metadata.items() if k in ("language", "title", "handler_name")})
        target.disposition = track.disposition
        targets[route.stream_index] = target
    return _packets(source, routes, targets, shift)


def _packets(
    source: InputContainer, routes: tuple[Route, ...], targets: dict[int, AudioStream], shift: Fraction
) -> Iterator[tuple[Fraction, Any]]:
    if not routes:
        return
    video_stream(source, "source").discard = Discard.all
    encoders = {r.stream_index: _Encoder(targets[r.stream_index], shift) for r in routes if not r.copied}
    for packet in source.demux([source.streams[r.stream_index] for r in routes]):
        number = packet.stream_index
        if number in encoders:
            yield from encoders[number].take(packet)
        elif packet.size and packet.dts is not None:
            move = round(shift / packet.time_base)
            packet.pts = packet.dts + move if packet.pts is None else packet.pts + move
            packet.dts += move
            packet.stream = targets[number]
            yield packet.dts * packet.time_base, packet
    for encoder in encoders.values():
        yield from encoder.flush()


class _Encoder:
    """Decodes a track and encodes it to AAC; gaps become silence, so that it stays in step with the picture."""

    def __init__(self, target: AudioStream, shift: Fraction) -> None:
        self._target = target
        self._shift = shift
        self._graph: Graph | None = None

    def take(self, packet: Any) -> Iterator[tuple[Fraction, Any]]:
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            return  # aresample fills the gap
        for frame in frames:
            if self._graph is None:
                self._graph = self._make_graph(frame)
            frame.pts = None if frame.pts is None else frame.pts + round(self._shift / frame.time_base)
            self._graph.push(frame)
            yield from self._pull(self._graph)

    def flush(self) -> Iterator[tuple[Fraction, Any]]:
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pull(self._graph)
        yield from self._out(None)

    def _make_graph(self, frame: Any) -> Graph:
        context = self._target.codec_context
        graph = Graph()
        source = graph.add_abuffer(
            sample_rate=frame.sample_rate, format=frame.format.name, layout=frame.layout.name, time_base=frame.time_base
        )
        resample = graph.add("aresample", f"{context.sample_rate}:async=1:min_hard_comp=0.01")
        wanted = graph.add("aformat", f"sample_fmts=fltp:channel_layouts={context.layout.name}")
        size = graph.add("asetnsamples", "n=1024:p=0")
        sink = graph.add("abuffersink")
        for left, right in zip((source, resample, wanted, size), (resample, wanted, size, sink), strict=True):
            left.link_to(right)
        graph.configure()
        return graph

    def _pull(self, graph: Graph) -> Iterator[tuple[Fraction, Any]]:
        while True:
            try:
                frame = graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            yield from self._out(frame)

    def _out(self, frame: Any) -> Iterator[tuple[Fraction, Any]]:
        for packet in self._target.encode(frame):
            yield (packet.dts or 0) * packet.time_base, packet
