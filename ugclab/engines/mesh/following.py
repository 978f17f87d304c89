"""Looking at footage before anything is swapped: every face followed once and written down, and whom the options mean.

What is found says nothing of how a face is drawn: every engine that swaps faces frame by frame stands on it.
"""

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.engines.base import Analysis, Monitor, Source
from ugclab.engines.mesh import appearance, choosing, findings, glasses, palms, shape, spectacles
from ugclab.engines.mesh.detector import Detector
from ugclab.engines.mesh.landmarks import Landmarker, Region
from ugclab.engines.mesh.records import Recorder, Records
from ugclab.engines.mesh.sampling import Still
from ugclab.engines.mesh.topology import Floats
from ugclab.engines.mesh.tracking import Tracker
from ugclab.errors import FaceNotFound
from ugclab.media.frames import Frame, read_frames, stage
from ugclab.media.images import read_image
from ugclab.schema.engine import EngineInfo
from ugclab.schema.job import EyewearMode, SwapOptions
from ugclab.schema.media import TimeRange

DETECTOR = "mediapipe/face_detection_full_range_sparse.tflite"
LANDMARKS = "mediapipe/face_landmark.tflite"
PALMS = "mediapipe/palm_detection_lite.tflite"
HANDS = "mediapipe/hand_landmark_lite.tflite"
WEIGHTS = (DETECTOR, LANDMARKS, PALMS, HANDS)
"""Model files that following needs."""
SAMPLES = 240
"""Faces of the clip from which its resting shape is taken: more change nothing, fewer let one expression in."""
PEOPLE, EYEWEAR = "people.json", "eyewear-{}.npy"


@dataclass(frozen=True, slots=True)
class Part:
    """Somebody of the footage who is to wear the avatar's face."""

    tracks: list[int]
    """The numbers he was followed under."""
    rest: Floats
    """(468, 3) his own face at rest."""
    eyewear: NDArray[np.uint8] | None
    """Spectacles.cover of what he wears and keeps on."""


class Follower:
    """The models that find faces, loaded; `detector` and `landmarker` serve stills as well."""

    def __init__(self, weights: Path) -> None:
        """Load them from the folder of model files."""
        # One thread an operation: decoder, engine and encoder overlap already, and small pictures gain nothing.
        cv2.setNumThreads(1)
        self.detector = Detector(weights / DETECTOR)
        self.landmarker = Landmarker(weights / LANDMARKS)
        self._hands = palms.HandDetector(weights / PALMS, weights / HANDS)

    def analyse(
        self,
        source: Source,
        ranges: Sequence[TimeRange],
        options: SwapOptions,
        workspace: Path,
        monitor: Monitor,
        engine: EngineInfo,
        told: Sequence[str] = (),
    ) -> Analysis:
        """Follow all faces through the ranges, choose whom to swap, and write both into `workspace`.

        `told` are the engine's own warnings, of the avatar. Raises FaceNotFound, FaceAmbiguous, Cancelled.
        """
        tracker = Tracker(self.detector, self.landmarker)
        views = spectacles.Views()
        total = max(round(sum(r.duration for r in ranges) * source.info.frame_rate), 1)
        done = 0
        with Recorder(workspace) as recorder:
            for span in ranges:
                recorder.begin_range()
                frames = read_frames(source.path, source.info, span, tone_map=options.tone_map, borrow=True)
                with closing(cast(Generator[Frame], stage(frames, name="decode"))) as decoded:
                    for picture, sightings in tracker.follow(decoded):
                        recorder.begin_frame(picture.pts)
                        for seen in sightings:
                            points, hand, bridge = seen.face.points, False, float("nan")
                            if done % palms.LOOK_EVERY == 0:
                                hand = any(palms.covers(found, points) for found in self._hands.near(picture, points))
                                bridge = glasses.bridge(picture, points)
                                views.add(seen.track, picture, points)
                            recorder.add(seen.track, points, hand=hand, bridge=bridge)
                        done += 1
                        monitor.step(min(done, total), total)
        return self._conclude(source, ranges, tracker.looks(), views, options, workspace, engine, told)

    def _conclude(
        self,
        source: Source,
        ranges: Sequence[TimeRange],
        looks: dict[int, list[Floats]],
        views: spectacles.Views,
        options: SwapOptions,
        workspace: Path,
        engine: EngineInfo,
        told: Sequence[str],
    ) -> Analysis:
        records = Records(workspace)
        persons = choosing.people(records.index, looks)
        photo = self._photo_looks(options.face.photo) if options.face.kind == "like" else ()
        cast_list = choosing.cast(persons, choosing.choose(persons, options.face, photo), records.index)
        parts: list[dict[str, object]] = []
        eyewear: list[findings.Eyewear | None] = []
        for tracks in cast_list:
            rows = records.rows_of(tracks)
            sampled = rows[np.linspace(0, len(rows) - 1, min(len(rows), SAMPLES)).astype(int)]
            rest = shape.neutral(np.stack(list(records.read(sampled))))
            parts.append({"tracks": tracks, "rest": rest.tolist()})
            look = views.look(tracks, rest)
            worn = None
            if findings.wears_glasses(records.index[rows], look.rims if look else 0.0):
                worn = findings.Eyewear.COVERED
                if look and options.eyewear is EyewearMode.KEEP:
                    worn = findings.Eyewear.KEPT if look.clear else findings.Eyewear.KEPT_WHOLE
                    np.save(workspace / EYEWEAR.format(len(parts) - 1), look.cover())
            eyewear.append(worn)
        (workspace / PEOPLE).write_text(json.dumps({"people": parts}))
        return Analysis(
            engine=engine.name,
            engine_version=engine.version,
            ranges=tuple(findings.describe(span, source.info, records, cast_list) for span in ranges),
            warnings=(*told, *findings.warnings(persons, cast_list, records, source.info, eyewear)),
            folder=workspace,
        )

    def _photo_looks(self, path: str) -> list[Floats]:
        still = Still.from_rgb(read_image(Path(path)))
        faces = [self.landmarker.see(still, Region.of_detection(d)) for d in self.detector.find(still)]
        views = [appearance.look(still, face.points) for face in faces if face.presence > 0.5]
        if not views:
            raise FaceNotFound(
                f"no face was found in {Path(path).name}", hint="use a photo of the person in the footage"
            )
        return views[:1]


def chosen(folder: Path) -> Iterator[Part]:
    """Read back from an analysis's folder who is to wear the face."""
    for number, part in enumerate(json.loads((folder / PEOPLE).read_text())["people"]):
        eyewear = folder / EYEWEAR.format(number)
        cover = np.load(eyewear) if eyewear.exists() else None
        yield Part(part["tracks"], np.array(part["rest"], np.float32), cover)
