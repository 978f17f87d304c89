"""The engine `remote`: the footage is looked at here, and each segment swapped by an engine on another machine."""

import hashlib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from secrets import token_hex
from typing import Any, ClassVar, cast

from ugclab.engines.base import Analysis, Image, Lack, Monitor, SegmentContext, Source
from ugclab.engines.mesh.avatar import find_face
from ugclab.engines.mesh.following import WEIGHTS, Follower
from ugclab.engines.remote import place
from ugclab.engines.remote.changed import put_back
from ugclab.engines.remote.clip import Sent, check_clip, read_pairs, write_clip
from ugclab.engines.remote.errand import Errand, options_there
from ugclab.errors import EngineError, EngineUnavailable
from ugclab.media.frames import Frame
from ugclab.media.images import encode_png
from ugclab.schema.engine import EngineInfo, Licences
from ugclab.schema.job import ReplaceMode, SwapOptions
from ugclab.schema.media import MediaInfo, TimeRange
from ugclab.settings import Settings
from ugclab.storage.artefacts import canonical_key
from ugclab.storage.store import file_sha256

VERSION = "1"


class Remote:
    """Any engine of another machine, by the worker contract or a serverless endpoint."""

    info: ClassVar[EngineInfo] = EngineInfo(
        name="remote",
        version=VERSION,
        model_version="of the other machine",
        summary="Another machine's engine: a server of the worker contract, or an endpoint of Runpod.",
        replaces="face",
        replaceable=(ReplaceMode.HEAD, ReplaceMode.PERSON),
        licences=Licences(code="Apache-2.0", weights="those of the engine that runs there"),
        commercial_use="unknown",
        weights=WEIGHTS,
    )

    @classmethod
    def lacking(cls, settings: Settings) -> Lack | None:
        """What is missing: an address, a key that is accepted, an engine over there; asked at most every 15 s."""
        return place.lacking(settings)

    @classmethod
    def ingredients(cls, settings: Settings) -> Mapping[str, str]:
        """What decides the bytes: which engine works there, and what its operator calls its present state.

        Its version is not asked for: a machine that sleeps or is away would change the key, and what was paid for
        would be paid for again. Nor is its address part of it: the same engine elsewhere makes the same.
        """
        return {"engine": settings.remote_engine, "revision": settings.remote_revision}

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._hashed: tuple[tuple[str, int, int], str] = (("", 0, 0), "")

    def furnish(self, settings: Settings) -> None:
        """Take the settings over."""
        self._settings = settings

    def setup(self, weights: Path) -> None:
        """Load what looks at the footage. Raises EngineUnavailable for settings that cannot work."""
        settings = self._settings
        lack = self.lacking(settings) if settings else Lack(reason="nobody furnished the engine", hint="registry.make")
        if settings is None or (lack is not None and not lack.passing):
            assert lack is not None  # noqa: S101 one of both holds
            raise EngineUnavailable(f"engine '{self.info.name}': {lack.reason}", hint=lack.hint)
        self._given = settings
        self._follower = Follower(weights)

    def analyse(
        self,
        source: Source,
        ranges: Sequence[TimeRange],
        avatar: Image,
        options: SwapOptions,
        workspace: Path,
        monitor: Monitor,
    ) -> Analysis:
        """Follow the faces here: what cannot work fails before anything is sent or paid for."""
        _, told = find_face(avatar, self._follower.detector, self._follower.landmarker)
        return self._follower.analyse(source, ranges, options, workspace, monitor, self.info, told)

    def swap(self, segment: SegmentContext, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Send the segment, wait, and take what was changed over into the source's own frames."""
        if not _shows_a_face(segment):
            yield from frames
            return
        work, monitor = segment.workspace, segment.monitor
        sent = write_clip(segment, work / "segment.mp4", lambda done, total: monitor.report(done, 20 * total))
        avatar = work / "avatar.png"
        avatar.write_bytes(encode_png(segment.avatar))
        errand = Errand(self._given, segment, self._identity(segment))
        made = errand.run(sent.path, avatar, work / "made.mp4")
        try:
            yield from _composed(segment, frames, sent, made, check_clip(made, sent))
        except EngineError:
            errand.refuse()
            raise
        errand.end()

    def _identity(self, segment: SegmentContext) -> str:
        """What an order for this segment is called: the same in every attempt, in whatever process it is made."""
        info, path = segment.source.info, segment.source.path
        state = path.stat()
        place_of = (str(path), state.st_size, state.st_mtime_ns)
        if self._hashed[0] != place_of:
            self._hashed = place_of, file_sha256(path)
        options = segment.options
        photo = options.face.photo
        parts: dict[str, Any] = {
            "version": VERSION,
            "scope": segment.scope,
            "source": self._hashed[1],
            "range": segment.range.model_dump(mode="json"),
            "size": [info.width, info.height],
            "tone_map": options.tone_map,
            "avatar": hashlib.sha256(segment.avatar.tobytes()).hexdigest(),
            "photo": file_sha256(Path(photo)) if photo else "",
            "options": options_there(options).model_dump(mode="json"),
            "there": dict(self.ingredients(self._given)),
        }
        if segment.fresh:
            parts["fresh"] = token_hex(8)
        return f"ugc-{canonical_key(parts)[:40]}"


def _shows_a_face(segment: SegmentContext) -> bool:
    start, end = segment.range.start, segment.range.end
    return any(face.start < end and start < face.end for part in segment.analysis.ranges for face in part.face_ranges)


def _composed(
    segment: SegmentContext, frames: Iterable[Frame], sent: Sent, path: Path, made: MediaInfo
) -> Iterator[Frame]:
    """The segment's own frames, with what was changed in them."""
    pairs, total = read_pairs(sent, path, made), len(sent.times)
    with closing(cast(Generator[tuple[Frame, Frame]], pairs)):
        for count, frame in enumerate(frames, 1):
            segment.monitor.step(count, total)
            pair = next(pairs, None)
            if pair is None or frame.time != sent.times[count - 1]:
                raise EngineError("the footage has other frames than were sent", hint="it was changed meanwhile")
            frame.swapped |= put_back(frame, *pair)
            yield frame


ENGINES = (Remote,)
