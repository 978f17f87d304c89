"""The engine `mesh`: analyse follows every face once, swap wears the avatar on what was followed."""

import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import ClassVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.engines.base import Analysis, Image, Monitor, SegmentContext, Source
from ugclab.engines.mesh import appearance, choosing, findings, glasses, palms, shape, spectacles
from ugclab.engines.mesh.avatar import Avatar, prepare
from ugclab.engines.mesh.detector import Detector
from ugclab.engines.mesh.landmarks import Landmarker, Region
from ugclab.engines.mesh.records import Recorder, Records
from ugclab.engines.mesh.role import Role
from ugclab.engines.mesh.sampling import Still
from ugclab.engines.mesh.topology import Floats
from ugclab.engines.mesh.tracking import Tracker
from ugclab.errors import FaceNotFound
from ugclab.media.frames import Frame, read_frames, stage
from ugclab.media.images import read_image
from ugclab.schema.engine import EngineInfo, Licences
from ugclab.schema.job import EyewearMode, SwapOptions
from ugclab.schema.media import TimeRange

DETECTOR = "mediapipe/face_detection_full_range_sparse.tflite"
LANDMARKS = "mediapipe/face_landmark.tflite"
PALMS = "mediapipe/palm_detection_lite.tflite"
HANDS = "mediapipe/hand_landmark_lite.tflite"
SAMPLES = 240
"""Faces of the clip from which its resting shape is taken: more change nothing, fewer let one expression in."""
PEOPLE, WORN, EYEWEAR = "people.json", "avatar.npz", "eyewear-{}.npy"


class MeshSwap:
    """Puts a face on by its mesh; real time on a CPU, no neural network draws a pixel."""

    info: ClassVar[EngineInfo] = EngineInfo(
        name="mesh",
        version="3",
        model_version="mediapipe face_landmark 468",
        summary="A 3-D face mesh of the avatar, warped onto the footage and lit by it; runs on any CPU.",
        replaces="face",
        licences=Licences(code="Apache-2.0", weights="Apache-2.0"),
        commercial_use="yes",
        weights=(DETECTOR, LANDMARKS, PALMS, HANDS),
    )

    def setup(self, weights: Path) -> None:
        """Load the models from the folder of model files."""
        # One thread an operation: decoder, engine and encoder overlap already, and small pictures gain nothing.
        cv2.setNumThreads(1)
        self._detector = Detector(weights / DETECTOR)
        self._landmarker = Landmarker(weights / LANDMARKS)
        self._hands = palms.HandDetector(weights / PALMS, weights / HANDS)

    def analyse(
        self,
        source: Source,
        ranges: Sequence[TimeRange],
        avatar: Image,
        options: SwapOptions,
        workspace: Path,
        monitor: Monitor,
    ) -> Analysis:
        """Follow all faces through the ranges and choose whom to swap."""
        worn = prepare(avatar, self._detector, self._landmarker)
        worn.save(workspace / WORN)
        tracker = Tracker(self._detector, self._landmarker)
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
                                if bridge > glasses.MIN_LINE:
                                    views.add(seen.track, picture, points)
                            recorder.add(seen.track, points, hand=hand, bridge=bridge)
                        done += 1
                        monitor.step(min(done, total), total)
        return self._conclude(source, ranges, tracker.looks(), views, worn, options, workspace)

    def swap(self, segment: SegmentContext, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Wear the avatar on every chosen face of the segment."""
        folder = segment.analysis.folder
        records = Records(folder)
        worn = Avatar.load(folder / WORN)
        roles = [
            Role(records, part["tracks"], np.array(part["rest"], np.float32), worn, segment, _eyewear(folder, number))
            for number, part in enumerate(json.loads((folder / PEOPLE).read_text())["people"])
        ]
        total = max(round(segment.range.duration * segment.source.info.frame_rate), 1)
        for count, frame in enumerate(frames, 1):
            for role in roles:
                frame.swapped |= role.play(frame)
            segment.monitor.step(min(count, total), total)
            yield frame

    def _conclude(
        self,
        source: Source,
        ranges: Sequence[TimeRange],
        looks: dict[int, list[Floats]],
        views: spectacles.Views,
        worn: Avatar,
        options: SwapOptions,
        workspace: Path,
    ) -> Analysis:
        records = Records(workspace)
        persons = choosing.people(records.index, looks)
        photo = self._photo_looks(options.face.photo) if options.face.kind == "like" else ()
        cast_list = choosing.cast(persons, choosing.choose(persons, options.face, photo), records.index)
        parts = []
        for tracks in cast_list:
            rows = records.rows_of(tracks)
            sampled = rows[np.linspace(0, len(rows) - 1, min(len(rows), SAMPLES)).astype(int)]
            rest = shape.neutral(np.stack(list(records.read(sampled))))
            parts.append({"tracks": tracks, "rest": rest.tolist()})
            keeps = options.eyewear is EyewearMode.KEEP and findings.wears_glasses(records.index[rows])
            if keeps and (cover := views.find(tracks, rest)) is not None:
                np.save(workspace / EYEWEAR.format(len(parts) - 1), cover)
        (workspace / PEOPLE).write_text(json.dumps({"people": parts}))
        return Analysis(
            engine=self.info.name,
            engine_version=self.info.version,
            ranges=tuple(findings.describe(span, source.info, records, cast_list) for span in ranges),
            warnings=(*worn.warnings, *findings.warnings(persons, cast_list, records, source.info)),
            folder=workspace,
        )

    def _photo_looks(self, path: str) -> list[Floats]:
        still = Still.from_rgb(read_image(Path(path)))
        faces = [self._landmarker.see(still, Region.of_detection(d)) for d in self._detector.find(still)]
        views = [appearance.look(still, face.points) for face in faces if face.presence > 0.5]
        if not views:
            raise FaceNotFound(
                f"no face was found in {Path(path).name}", hint="use a photo of the person in the footage"
            )
        return views[:1]


def _eyewear(folder: Path, number: int) -> NDArray[np.uint8] | None:
    """Spectacles.cover of one of the people, if he wears any."""
    path = folder / EYEWEAR.format(number)
    return np.load(path) if path.exists() else None


ENGINES = (MeshSwap,)
