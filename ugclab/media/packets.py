"""The packet index of a file: every video packet's times and kind, in decode order, by demuxing only."""

from array import array
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from ugclab.errors import MediaError
from ugclab.media import nal
from ugclab.media.source import open_source, video_stream

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class AudioPackets:
    """What copying an audio track has to know: how many packets, and whether an edit list cuts inside it."""

    stream_index: int
    packets: int
    cut_inside: bool


@dataclass(frozen=True, slots=True, eq=False)
class PacketIndex:
    """Video packets in decode order (about 20 bytes each), and what was learnt beside them."""

    time_base: Fraction
    pts: Ints
    shown: Flags
    """False for packets an edit list discards: needed to decode others, never seen."""
    keyframe: Flags
    idr: Flags
    """Random access without any exception: what follows in decode order refers to nothing before."""
    end: int
    """When the last picture ends, in ticks."""
    closed: bool
    """Every keyframe is an `idr`."""
    length_size: int
    """Bytes of a unit's length in H.264 and H.265 packets; 0 for Annex B."""
    parameter_sets: nal.ParameterSets | None
    """Of H.264; None for another codec, or where they change within the file."""
    audio: tuple[AudioPackets, ...]

    @property
    def times(self) -> Ints:
        """Timestamps of the frames a viewer sees, in presentation order."""
        return np.sort(self.pts[self.shown])


def scan(path: Path) -> PacketIndex:
    """Read all packets of a file once. Raises MediaError."""
    with open_source(path) as container:
        return scan_container(container, path.name)


def scan_container(container: InputContainer, name: str) -> PacketIndex:
    """Index a container just opened; it is at its end afterwards."""
    stream = video_stream(container, name)
    pts, duration = array("q"), array("q")
    shown, keyframe, idr = bytearray(), bytearray(), bytearray()
    reader = _Kinds(stream)
    audio: dict[int, list[bool]] = defaultdict(list)
    for packet in decodable(container, stream, *(s for s in container.streams.audio if s.codec_context is not None)):
        if packet.stream_index != stream.index:
            audio[packet.stream_index].append(packet.is_discard)
            continue
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None:
            raise MediaError(f"{name} has pictures without a time", hint="remux it: ffmpeg -i in -c copy out.mp4")
        pts.append(time)
        duration.append(packet.duration or 0)
        keyframe.append(packet.is_keyframe)
        idr.append(reader.is_idr(packet, time))
        shown.append(not packet.is_discard and not (reader.skipped and keyframe.count(1) == 1))
    if not any(shown):
        raise MediaError(f"{name} has a video stream without pictures", hint="it is incomplete: download it again")
    times, seen = np.frombuffer(pts, np.int64), np.frombuffer(shown, np.bool_)
    idrs, keys = np.frombuffer(idr, np.bool_), np.frombuffer(keyframe, np.bool_)
    if len(np.unique(times[seen])) != int(seen.sum()):
        raise MediaError(f"{name} shows two pictures at the same time", hint="convert it: ffmpeg -i in out.mp4")
    return PacketIndex(
        time_base=Fraction(stream.time_base or 1),
        pts=times,
        shown=seen,
        keyframe=keys,
        idr=idrs,
        end=_end(stream, times, seen, np.frombuffer(duration, np.int64)),
        closed=bool(keys.any()) and bool(np.all(idrs[keys])) and not reader.open_gop,
        length_size=reader.length_size,
        parameter_sets=reader.parameter_sets if not reader.changed else None,
        audio=tuple(AudioPackets(index, len(flags), _cut_inside(flags)) for index, flags in sorted(audio.items())),
    )


def decodable(container: InputContainer, video: VideoStream, *others: Any) -> "Iterator[Packet[Any]]":
    """All packets with content, but for the video's before its first keyframe: nobody can see those.

    Their order is what packet numbers mean, here and where packets are copied.
    """
    started = False
    for packet in container.demux([video, *others]):
        if (
            packet.size
            and not cut_off(container, packet)
            and (packet.stream_index != video.index or started or packet.is_keyframe)
        ):
            started = started or packet.stream_index == video.index
            yield packet


def cut_off(container: InputContainer, packet: "Packet[Any]") -> bool:
    """Whether the end of a truncated file cut a packet in two; in transport streams the flag means lost bytes only."""
    return packet.is_corrupt and container.format.name != "mpegts"


def _cut_inside(discarded: list[bool]) -> bool:
    """Whether packets are discarded anywhere but before the first kept one and after the last."""
    kept = [i for i, flag in enumerate(discarded) if not flag]
    return bool(kept) and any(discarded[kept[0] : kept[-1]])


def _end(stream: VideoStream, pts: Ints, shown: Flags, duration: Ints) -> int:
    """When the last picture ends: by the stream's length where that is plausible, else by the usual frame's length."""
    times = np.sort(pts[shown])
    last = int(times[-1])
    usual = int(np.median(np.diff(times))) if len(times) > 1 else 0
    length = int(duration[shown][np.argmax(pts[shown])]) or usual or 1
    if stream.duration and len(times) > 1:
        by_stream = int(times[0]) + int(stream.duration)
        if 0 < by_stream - last <= 4 * max(usual, length):
            return by_stream
    return last + length


class _Kinds:
    """Tells IDR pictures from other keyframes, and notes parameter sets that travel within packets."""

    def __init__(self, stream: VideoStream) -> None:
        self._codec = stream.codec_context.name
        self.open_gop = False
        self.changed = False
        self.parameter_sets: nal.ParameterSets | None = None
        self.length_size = 0
        self.skipped = False
        """The packet just seen is a RASL picture: one that a decoder skips if it starts at the keyframe before."""
        self._after_cra: int | None = None
        extradata = stream.codec_context.extradata or b""
        if self._codec == "h264":
            self.length_size = (extradata[4] & 3) + 1 if extradata[:1] == b"\1" and len(extradata) > 6 else 0
            try:
                self.parameter_sets = nal.read_parameter_sets(extradata)
            except ValueError:
                self.changed = True
        elif self._codec == "hevc":
            self.length_size = nal.hevc_length_size(extradata)

    def is_idr(self, packet: "Packet[Any]", time: int) -> bool:
        """Whether decoding can start at this packet and go on without any exception."""
        if packet.is_keyframe and packet.has_sidedata("new_extradata"):
            self.changed = True  # a second sample description in an mp4
        if self._codec == "h264":
            return packet.is_keyframe and self._h264_idr(bytes(packet))
        if self._codec == "hevc":
            return self._hevc_idr(packet, time)
        if packet.is_keyframe:
            self._after_cra = time
        elif self._after_cra is not None and time < self._after_cra:
            self.open_gop = True  # MPEG-2, MPEG-4: pictures shown before the keyframe they follow
        return packet.is_keyframe

    def _h264_idr(self, data: bytes) -> bool:
        units = nal.split_prefixed(data, self.length_size) if self.length_size else nal.split_annex_b(data)
        idr = False
        for unit in units:
            kind = unit[0] & 0x1F
            if kind in (nal.H264_SPS, nal.H264_PPS) and self.parameter_sets is not None:
                self._add(unit, kind, self.parameter_sets)
            elif kind == nal.H264_IDR:
                idr = True
        return idr

    def _add(self, unit: bytes, kind: int, known: nal.ParameterSets) -> None:
        if unit in (known.sps if kind == nal.H264_SPS else known.pps):
            return
        more = nal.ParameterSets((unit,), ()) if kind == nal.H264_SPS else nal.ParameterSets((), (unit,))
        try:
            self.parameter_sets = known.merge(more)
        except ValueError:
            self.changed = True

    def _hevc_idr(self, packet: "Packet[Any]", time: int) -> bool:
        if packet.is_keyframe:
            self.skipped = False
            kinds = nal.unit_types(bytes(packet), self.length_size, hevc=True)
            idr = bool(nal.HEVC_IDR & set(kinds))
            self._after_cra = None if idr else time
            return idr or nal.HEVC_CRA in kinds  # a CRA is as good, unless skipped pictures (RASL) follow
        leading = self._after_cra is not None and time < self._after_cra
        self.skipped = leading and bool(nal.HEVC_RASL & set(nal.unit_types(bytes(packet), self.length_size, hevc=True)))
        self.open_gop |= self.skipped
        return False
