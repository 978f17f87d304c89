"""What a page wants to see, made: one after the other in a process that keeps what the next look needs again."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ugclab.engines.base import FaceEngine, Source
from ugclab.errors import AvatarError
from ugclab.media.images import encode_jpeg, fitted
from ugclab.media.probe import probe
from ugclab.pipeline.faces import prospect
from ugclab.pipeline.people import people_of, portraits
from ugclab.pipeline.plan import SwapRequest
from ugclab.pipeline.preview import swapped_frame
from ugclab.pipeline.proof import make_proof
from ugclab.pipeline.steps import Inputs, Progress, Workshop, open_workshop, read_inputs
from ugclab.pipeline.strip import Strip, film_strip
from ugclab.sample import AVATAR
from ugclab.schema.look import (
    FacesLook,
    FacesSeen,
    FrameLook,
    FrameSeen,
    Look,
    PersonSeen,
    ProofSeen,
    Seen,
    StripLook,
    StripSeen,
)
from ugclab.schema.media import MediaInfo
from ugclab.settings import Settings
from ugclab.storage.store import Store

FRAME_WIDTH_PX = 1280
"""The widest a frame is shown at."""
_KEPT = 4
"""Sources whose inputs are kept: a page scrubs one."""


class Onlooker:
    """Answers looks."""

    def __init__(
        self,
        settings: Settings,
        engines: dict[str, FaceEngine],
        on_progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
        mirror: Store | None = None,
    ) -> None:
        """`engines` are those that are loaded, by name; more are added."""
        self._settings = settings
        self._engines = engines
        self._on_progress = on_progress
        self._cancelled = cancelled
        self._mirror = mirror
        self._inputs: dict[tuple[object, ...], Inputs] = {}

    def see(self, look: Look, files: Mapping[str, Path], out: Path, folder: str, scope: str) -> Seen:
        """Answer a look: `files` are what it names, by role; pictures are written to `out`, which becomes `folder`."""
        if isinstance(look, FrameLook):
            return self._frame(look, files, out, folder, scope)
        if isinstance(look, StripLook):
            return self._strip(look, files["source"], out, folder)
        if isinstance(look, FacesLook):
            return self._faces(look, files, out, folder, scope)
        return self._proof(files, out, folder)

    def _frame(self, look: FrameLook, files: Mapping[str, Path], out: Path, folder: str, scope: str) -> FrameSeen:
        with self._workshop(look.engine, scope) as workshop:
            made = swapped_frame(workshop, self._read(workshop, look, files), look.at, look.plan)
        before = fitted(made.before, FRAME_WIDTH_PX)
        (out / "before.jpg").write_bytes(encode_jpeg(before))
        (out / "after.jpg").write_bytes(encode_jpeg(fitted(made.after, FRAME_WIDTH_PX)))
        return FrameSeen(
            before=f"{folder}/before.jpg",
            after=f"{folder}/after.jpg",
            width=before.shape[1],
            height=before.shape[0],
            time=made.time,
            swapped=made.swapped,
        )

    def _strip(self, look: StripLook, source: Path, out: Path, folder: str) -> StripSeen:
        info = self._probed(source, look.source.info)
        strip: Strip = film_strip(source, info, look.count, cancelled=self._cancelled)
        (out / "strip.jpg").write_bytes(encode_jpeg(strip.picture, 85))
        return StripSeen(
            picture=f"{folder}/strip.jpg",
            tile_width=strip.tile_width,
            tile_height=strip.picture.shape[0],
            times=strip.times,
            frame_rate=info.frame_rate,
            duration=info.duration,
            width=info.width,
            height=info.height,
        )

    def _faces(self, look: FacesLook, files: Mapping[str, Path], out: Path, folder: str, scope: str) -> FacesSeen:
        request = self._request(look, files).model_copy(update={"plan": look.plan})
        stand_in = request.model_copy(update={"avatar": AVATAR})
        with self._workshop(look.engine, scope) as workshop:
            found = prospect(workshop, request if "avatar" in files else stand_in)
            warnings, refused = found.warnings, found.refused
            if refused is not None and refused.code == AvatarError.code:  # whom the footage shows can be told yet
                workshop.warnings.clear()
                found = prospect(workshop, stand_in)
                warnings = found.warnings
            if refused is not found.refused or "avatar" not in files:
                warnings = tuple(w for w in warnings if not w.startswith("the avatar"))  # the stand-in's
            people = people_of(found.analysis, found.info) if found.analysis else []
            for number, picture in enumerate(portraits(Source(files["source"], found.info), people)):
                (out / f"face-{number}.jpg").write_bytes(encode_jpeg(picture))
        return FacesSeen(
            people=tuple(
                PersonSeen(
                    index=n, picture=f"{folder}/face-{n}.jpg", share=round(p.share, 4), width_px=round(p.width_px, 1)
                )
                for n, p in enumerate(people)
            ),
            ranges=tuple(
                face for part in (found.analysis.ranges if found.analysis else ()) for face in part.face_ranges
            ),
            looked_at=found.looked_at,
            sampled=found.sampled,
            plan=found.plan,
            warnings=warnings,
            refused=refused,
            stitch_mode=found.stitch[0],
            stitch_reason=found.stitch[1],
        )

    def _proof(self, files: Mapping[str, Path], out: Path, folder: str) -> ProofSeen:
        made = make_proof(
            files["source"],
            files["output"],
            out / "before.mp4",
            out / "after.mp4",
            report=lambda done, total: self._on_progress(Progress("proof", None, done, total)),
            cancelled=self._cancelled,
        )
        return ProofSeen(
            before=f"{folder}/before.mp4",
            after=f"{folder}/after.mp4",
            width=made.width,
            height=made.height,
            frames=made.info.frames,
            frame_rate=made.info.frame_rate,
            duration=made.info.duration,
        )

    @contextmanager
    def _workshop(self, engine: str, scope: str) -> Iterator[Workshop]:
        """The steps' surroundings, with the engine that is loaded; one that is loaded now stays."""
        with open_workshop(
            engine,
            self._settings,
            self._on_progress,
            self._cancelled,
            engine=self._engines.get(engine),
            scope=scope,
            mirror=self._mirror,
        ) as workshop:
            yield workshop
            if workshop.loaded is not None:
                self._engines[engine] = workshop.loaded

    def _read(self, workshop: Workshop, look: FrameLook, files: Mapping[str, Path]) -> Inputs:
        """What was given, probed and hashed once for all looks at it."""
        stamps = tuple((path, path.stat().st_mtime_ns, path.stat().st_size) for path in files.values())
        key = (stamps, look.engine, look.options.model_dump_json())
        if key not in self._inputs:
            while len(self._inputs) >= _KEPT:
                del self._inputs[next(iter(self._inputs))]
            self._inputs[key] = read_inputs(workshop, self._request(look, files))
        return self._inputs[key]

    @staticmethod
    def _request(look: FrameLook | FacesLook, files: Mapping[str, Path]) -> SwapRequest:
        """As a run would be asked for; nothing is written to `out`."""
        options, source = look.options, files["source"]
        if "photo" in files:
            face = options.face.model_copy(update={"photo": str(files["photo"])})
            options = options.model_copy(update={"face": face})
        return SwapRequest(
            source=source, avatar=files.get("avatar", source), out=source, engine=look.engine, options=options
        )

    @staticmethod
    def _probed(source: Path, known: MediaInfo | None) -> MediaInfo:
        return known or probe(source)
