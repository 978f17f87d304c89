"""Following every face through a stretch of footage: landmarks in each frame, a number for each person.

A face is looked for where it should be by its last movement; if it moved far it is looked at again, and now and then
the detector and its appearance are asked whether it is still there and still the same.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from ugclab.engines.mesh import appearance
from ugclab.engines.mesh.detector import Detection, Detector
from ugclab.engines.mesh.landmarks import Face, Landmarker, Region
from ugclab.engines.mesh.sampling import Picture
from ugclab.engines.mesh.topology import Floats

P = TypeVar("P", bound=Picture)

MIN_PRESENCE = 0.5
LOOK_AGAIN = 0.06
"""A face that moved this share of its size from where it was expected is looked at again, centred."""
ASK_DETECTOR = 0.12
"""Beyond this the detector must confirm it: the landmark model happily draws half a face beside the real one."""
DETECT_EVERY = 10
"""Frames between searches for new faces, and confirmations of the known ones."""
MISSED_EVERY = 2
"""The same while a face is missing."""
LOOK_EVERY = 5
"""Frames between looks at a face's appearance; every frame while two faces are near each other."""
MAX_FACES = 8
OTHER_SHAPE = 0.015
"""Mean movement of the landmarks against each other, in faces, from which on a face is looked at whatever the frame: a
cut to somebody at the same place moved them by 0.021 to 0.024, 99 of 100 frames of 18 people's clips by less than 0.010
(0.018 and 0.013 in two who turned quickly)."""
STRANGERS = 3
"""Looks in a row that must show somebody else before a track is given up."""


@dataclass(slots=True)
class _Track:
    number: int
    region: Region
    velocity: tuple[float, float] = (0.0, 0.0)
    looks: list[Floats] = field(default_factory=list)
    """A few views of the person, the first and the running one."""
    strange: int = 0
    last_seen: int = 0
    points: Floats | None = None
    """Landmarks (468, 3) in the frame before."""

    def likeness(self, view: Floats) -> float:
        return max((appearance.likeness(view, known) for known in self.looks), default=1.0)

    def remember(self, view: Floats) -> None:
        if not self.looks:
            self.looks = [view, view]
        running = 0.9 * self.looks[1] + 0.1 * view
        self.looks[1] = (running / np.linalg.norm(running)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Sighting:
    """One face in one frame."""

    track: int
    face: Face


class Tracker:
    """Follows faces; one instance a clip, so that a person keeps his number through all of it."""

    def __init__(self, detector: Detector, landmarker: Landmarker) -> None:
        self._detector = detector
        self._landmarker = landmarker
        self._live: list[_Track] = []
        self._gone: list[_Track] = []
        self._count = 0
        self._next = 0

    def looks(self) -> dict[int, list[Floats]]:
        """Views of every person met so far, by number."""
        return {track.number: track.looks for track in (*self._gone, *self._live)}

    def follow(self, pictures: Iterable[P]) -> Iterator[tuple[P, list[Sighting]]]:
        """Yield each picture with the faces in it. The pictures follow each other in time; a gap ends all movement."""
        for track in self._live:
            self._gone.append(track)
        self._live = []
        self._count = (self._count // 1000 + 2) * 1000  # whoever was lost before the gap was lost long ago
        for picture in pictures:
            yield picture, self._step(picture, self._count)
            self._count += 1

    def _step(self, picture: Picture, frame: int) -> list[Sighting]:
        detections: list[Detection] | None = None
        missing = len(self._live) == 0 or any(frame - track.last_seen < 50 for track in self._gone)
        if frame % (MISSED_EVERY if missing else DETECT_EVERY) == 0:
            thorough = not self._live and frame % DETECT_EVERY == 0
            detections = self._detector.find(picture, thorough=thorough)
        sightings: list[Sighting] = []
        for track in list(self._live):
            face, detections = self._advance(picture, track, detections)
            if face is None or not self._known(picture, track, face, frame):
                self._drop(track)
                continue
            track.last_seen = frame
            track.points = face.points
            # Who looks strange is not given out: if it was him, a gap so short is bridged.
            if track.strange == 0:
                sightings.append(Sighting(track.number, face))
        sightings = self._without_doubles(sightings)
        for found in detections or []:
            if len(self._live) < MAX_FACES:
                self._welcome(picture, found, frame, sightings)
        return sightings

    def _advance(
        self, picture: Picture, track: _Track, detections: list[Detection] | None
    ) -> tuple[Face | None, list[Detection] | None]:
        """Look where the track should be now; None if it is not there."""
        expected = track.region.shifted(*track.velocity)
        face = self._landmarker.see(picture, expected)
        region = Region.of_landmarks(face.points)
        if face.presence >= MIN_PRESENCE and _distance(region, expected) > LOOK_AGAIN:
            face = self._landmarker.see(picture, region)
            region = Region.of_landmarks(face.points)
        lost = face.presence < MIN_PRESENCE or _badly_sized(region, track.region)
        if lost or _distance(region, expected) > ASK_DETECTOR:
            detections = self._detector.find(picture) if detections is None else detections
        if detections is not None:
            near = min(detections, key=lambda d: _gap(d, expected), default=None)
            if near is not None and _gap(near, expected) < 0.6:
                if lost or _gap(near, region) > 0.25:
                    face = self._landmarker.see(picture, Region.of_detection(near))
                    face = self._landmarker.see(picture, Region.of_landmarks(face.points))
                    region = Region.of_landmarks(face.points)
                    lost = face.presence < MIN_PRESENCE
            elif face.presence < 0.9 or _distance(region, expected) > ASK_DETECTOR:
                lost = True
        if lost or _outside(region, picture):
            return None, detections
        track.velocity = (region.x - track.region.x, region.y - track.region.y)
        track.region = region
        return face, detections

    def _known(self, picture: Picture, track: _Track, face: Face, frame: int) -> bool:
        """Whether the face still looks like the track's person."""
        crowded = any(other is not track and _distance(other.region, track.region) < 1.2 for other in self._live)
        steady = track.strange == 0 and (frame - track.last_seen) < 2 and frame % LOOK_EVERY != 0
        if steady and not crowded and _reshaped(track.points, face.points) < OTHER_SHAPE:
            return True
        view = appearance.look(picture, face.points)
        own = track.likeness(view)
        others = max((other.likeness(view) for other in (*self._live, *self._gone) if other is not track), default=-1.0)
        if own < appearance.OTHER or (others > own + 0.08 and others > appearance.SAME):
            track.strange += 1
            return track.strange < STRANGERS and not (crowded and others > own + 0.08)
        track.strange = 0
        if own >= appearance.SAME and not crowded:
            track.remember(view)
        return True

    def _drop(self, track: _Track) -> None:
        self._live.remove(track)
        track.velocity, track.strange, track.points = (0.0, 0.0), 0, None
        self._gone.append(track)

    def _without_doubles(self, sightings: list[Sighting]) -> list[Sighting]:
        """Two tracks on one face: the one that came later, by number, goes."""
        if len(sightings) < 2:
            return sightings
        kept: list[Sighting] = []
        for sighting in sorted(sightings, key=lambda s: s.track):
            region = Region.of_landmarks(sighting.face.points)
            if any(_distance(region, Region.of_landmarks(other.face.points)) < 0.35 for other in kept):
                self._drop(next(track for track in self._live if track.number == sighting.track))
            else:
                kept.append(sighting)
        return kept

    def _welcome(self, picture: Picture, found: Detection, frame: int, sightings: list[Sighting]) -> None:
        """Take up a detected face that no track follows: somebody who was here before, or somebody new."""
        if any(_gap(found, track.region) < 0.5 for track in self._live):
            return
        face = self._landmarker.see(picture, Region.of_detection(found))
        if face.presence < MIN_PRESENCE:
            return
        face = self._landmarker.see(picture, Region.of_landmarks(face.points))
        region = Region.of_landmarks(face.points)
        if face.presence < MIN_PRESENCE or any(_distance(region, track.region) < 0.35 for track in self._live):
            return
        view = appearance.look(picture, face.points)
        best = max(self._gone, key=lambda track: self._return_score(track, view, region, frame), default=None)
        if best is not None and self._return_score(best, view, region, frame) >= appearance.SAME:
            self._gone.remove(best)
            track = best
            track.region = region
        else:
            track = _Track(self._next, region)
            self._next += 1
        track.last_seen = frame
        track.remember(view)
        self._live.append(track)
        sightings.append(Sighting(track.number, face))

    @staticmethod
    def _return_score(track: _Track, view: Floats, region: Region, frame: int) -> float:
        """Likeness, with credit for coming back where and when the person was lost."""
        recent = 0 <= frame - track.last_seen < 25
        near = _distance(region, track.region) < 0.8
        return track.likeness(view) + (0.15 if recent and near else 0.0)


def _distance(a: Region, b: Region) -> float:
    """Between two regions' middles, in face sizes."""
    return float(np.hypot(a.x - b.x, a.y - b.y)) / (b.size / 1.5)


def _gap(found: Detection, region: Region) -> float:
    """Between a detection and a region, in face sizes."""
    return float(np.hypot(found.centre[0] - region.x, found.centre[1] - region.y)) / (region.size / 1.5)


def _reshaped(before: Floats | None, points: Floats) -> float:
    """How far landmarks (468, 3) moved against each other, in faces, mean; place and size left aside."""
    if before is None:
        return 0.0
    old, new = ((p[:, :2] - p[:, :2].mean(0)) / np.float32(np.ptp(p[:, 1])) for p in (before, points))
    return float(np.abs(new - old).mean())


def _badly_sized(new: Region, old: Region) -> bool:
    return not 0.6 < new.size / old.size < 1.67


def _outside(region: Region, picture: Picture) -> bool:
    """Whether less than half of the face is in the picture."""
    height, width = picture.y.shape
    half = region.size / 1.5 / 2
    across = min(region.x + half, width) - max(region.x - half, 0)
    down = min(region.y + half, height) - max(region.y - half, 0)
    return bool(across < half or down < half)
