"""A segment as a file of its own, and the file that came back for it: frame for frame, at the same times."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from typing import cast

from ugclab.engines.base import SegmentContext
from ugclab.errors import EngineError, MediaError
from ugclab.media.encode import EncodeTarget, encode_segment
from ugclab.media.frames import Frame, read_frames
from ugclab.media.modes import encoder_rate
from ugclab.media.probe import probe
from ugclab.schema.media import MediaInfo

SENT_CRF = 10
"""Of what is sent. The other machine's engine works on it; of its pixels only those come back that it has changed."""
MADE_CRF = 8
"""Of what comes back: its loss is in the result, and has to stay well below what counts as changed."""
SLACK = Fraction(45, 100)
"""How far a frame's time may be off, as a share of the shortest distance: containers round."""
_HINT = "look at the other machine's log; UGCLAB_REMOTE_REVISION with another value has it made anew"


@dataclass(frozen=True, slots=True)
class Sent:
    """The file of a segment."""

    path: Path
    info: MediaInfo
    times: tuple[Fraction, ...]
    """Of its frames in the footage, rising."""

    @property
    def slack(self) -> Fraction:
        """How far a frame may be off, in seconds."""
        steps = [b - a for a, b in pairwise(self.times)]
        return SLACK * min(steps) if steps else Fraction(1)


def write_clip(segment: SegmentContext, path: Path, told: Callable[[int, int], None]) -> Sent:
    """Write the segment's frames as they are shown: upright, at their own distances, the first at time 0."""
    source, options = segment.source, segment.options
    frames = read_frames(source.path, source.info, segment.range, tone_map=options.tone_map, borrow=True)
    times: list[Fraction] = []

    def noted(first: Frame) -> Iterator[Frame]:
        for frame in chain([first], frames):
            times.append(frame.time)
            yield frame

    with closing(cast(Generator[Frame], frames)):
        first = next(frames, None)
        if first is None:
            raise EngineError("a segment without a frame cannot be sent", hint="check the range against the footage")
        total = max(1, round(segment.range.duration * source.info.frame_rate))
        encode_segment(
            noted(first),
            _target(first, source.info),
            path,
            total=total,
            report=told,
            cancelled=segment.monitor.cancelled,
        )
    return Sent(path, probe(path), tuple(times))


def _target(frame: Frame, info: MediaInfo) -> EncodeTarget:
    deep = frame.colour.bit_depth > 8
    return EncodeTarget(
        codec="hevc" if deep else "h264",
        width=frame.width + frame.width % 2,
        height=frame.height + frame.height % 2,
        pixel_aspect=info.pixel_aspect,
        time_base=info.time_base,
        frame_rate=encoder_rate(info),
        colour=frame.colour,
        profile="main10" if deep else "high",
        crf=SENT_CRF,
    )


def check_clip(path: Path, sent: Sent) -> MediaInfo:
    """Look at what came back. Raises EngineError where it is no video, or of another size, length or depth."""
    try:
        made = probe(path)
    except MediaError as error:
        raise EngineError(f"what the other machine made cannot be read: {error.message}", hint=_HINT) from error
    wrong = [
        f"{what} {there}, {here} was sent"
        for what, there, here in (
            ("the size is", f"{made.width}x{made.height}", f"{sent.info.width}x{sent.info.height}"),
            ("the number of frames is", made.frames, sent.info.frames),
            ("the bits are", made.colour.bit_depth, sent.info.colour.bit_depth),
        )
        if there != here
    ]
    if wrong:
        raise EngineError(f"the other machine made another video than was asked for: {'; '.join(wrong)}", hint=_HINT)
    return made


def read_pairs(sent: Sent, path: Path, made: MediaInfo) -> Iterator[tuple[Frame, Frame]]:
    """Each frame as the other machine was given it, and as it came back. Raises EngineError for one out of its time."""
    slack, start = sent.slack, sent.times[0]
    given, came = read_frames(sent.path, sent.info, borrow=True), read_frames(path, made, borrow=True)
    with closing(cast(Generator[Frame], given)), closing(cast(Generator[Frame], came)):
        for time in sent.times:
            try:
                before, after = next(given), next(came)
            except (MediaError, StopIteration) as error:
                words = error.message if isinstance(error, MediaError) else "it ends too early"
                raise EngineError(f"what the other machine made is damaged: {words}", hint=_HINT) from error
            if abs(after.time - (time - start)) > slack:
                raise EngineError(
                    f"the frame of {float(time):.3f} s came back at {float(start + after.time):.3f} s", hint=_HINT
                )
            yield before, after
