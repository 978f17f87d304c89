"""Watches a source clip and its swapped version side by side, frame by frame."""

import json
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import calibrate, signals
from benchmarks.oracles import Oracles
from benchmarks.scores import QualityScores, Sample, score
from ugclab.engines.mesh.detector import Detector
from ugclab.engines.mesh.landmarks import Face, Landmarker, Region
from ugclab.engines.mesh.sampling import Floats, Still, codes_of, to_rgb, window
from ugclab.errors import AvatarError
from ugclab.schema.media import Colour
from ugclab.settings import Settings
from ugclab.weights.hub import ensure

MODELS = ("mediapipe/face_landmark.tflite", "mediapipe/face_detection_full_range_sparse.tflite")
WINDOW_PX = 320
"""Side of the window in which dlib sees a face: the face is then about 210 px, more than the 150 its ResNet needs."""
PRESENT = 0.5
CHANGED = 4.0
"""Mean luma difference inside the face, in code values, above which it was swapped: re-encoding alone stays below 2."""
OUTSIDE = 1.4
"""The face's oval grown by this much about its centre bounds what a swap may touch."""
WRONG_FACE = 0.5
"""Distance from the truth, in face widths, above which it is somebody else's face."""
MATRICES = {1: "bt709", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc", 10: "bt2020c"}

Seen = tuple[Face, Region]
"""A face and the window it was seen through."""
Ranges = Sequence[tuple[Fraction, Fraction]]


class Judge:
    """The models, loaded once for any number of clips."""

    def __init__(self, weights: Path) -> None:
        self._landmarker = Landmarker(weights / MODELS[0])
        self._detector = Detector(weights / MODELS[1])
        self._oracles = Oracles()

    def measure(
        self,
        source: Path,
        result: Path,
        avatar: Path,
        ranges: Ranges | None = None,
        *,
        every: int = 5,
        sheet: Path | None = None,
        truth: Path | None = None,
    ) -> QualityScores:
        """Score the frames inside `ranges` (seconds, half-open; None means wherever the face was changed).

        Identity is taken from every `every`th swapped frame, all else from each. `sheet` receives a picture of pairs.
        `truth` is the JSON file beside a clip that sample_media made: it tells which face is meant, or what its lids
        did. Raises AvatarError if the avatar shows no face.
        """
        known = {} if truth is None else json.loads(truth.read_text())
        meant: list[tuple[float, float] | None] | None = known.get("face")
        wanted = self._embed_avatar(avatar)
        frames = faces = missing = exact = elsewhere = strangers = 0
        samples: list[Sample] = []
        pairs: list[tuple[Sample, NDArray[np.uint8]]] = []
        for number, (time, before, after) in enumerate(_paired(source, result)):
            inside = ranges is None or any(start <= time < end for start, end in ranges)
            if after is None:
                missing += 1
                continue
            if not inside:
                elsewhere += 1
                exact += np.array_equal(before.y, after.y)
                continue
            frames += 1
            seen = self._find_pair(before, after)
            if seen is None:
                continue
            faces += 1
            if meant is not None and number < len(meant):
                meant_here = meant[number]
                wrong = meant_here is None or _distance_to(seen[0][0], meant_here) > WRONG_FACE
            else:
                wrong = False
            sample, views = self._compare(number, float(time), before, after, *seen, embed=len(samples) % every == 0)
            if sample is not None:
                samples.append(sample)
                strangers += wrong
                if sample.embeddings is not None:
                    pairs.append((sample, np.vstack(views)))
        if sheet is not None:
            _write_sheet(sheet, pairs, wanted)
        exact_share = exact / elsewhere if elsewhere else None
        return score(
            samples,
            wanted,
            frames=frames,
            faces=faces,
            missing_frames=missing,
            exact_elsewhere=exact_share,
            wrong_face=strangers / len(samples) if samples and meant is not None else None,
            lids=known.get("lids"),
        )

    def _embed_avatar(self, path: Path) -> NDArray[np.float64]:
        picture = cv2.imread(str(path))
        if picture is None:
            raise AvatarError(f"{path} is not a picture", hint="give a JPEG or PNG file")
        still = Still.from_rgb(np.ascontiguousarray(picture[..., ::-1]))
        found = self._detector.find(still, thorough=True)
        if not found:
            raise AvatarError(f"{path} shows no face", hint="give a photo of one person, seen from the front")
        face, region = self._look(still, Region.of_detection(max(found, key=lambda d: d.size)))
        view, mesh = _view(still, face, region)
        return self._oracles.embed(view, self._oracles.find_shape(view, mesh))

    def _look(self, picture: Still, region: Region) -> tuple[Face, Region]:
        """Find landmarks in two passes, the second through a window centred by the first."""
        region = Region.of_landmarks(self._landmarker.see(picture, region).points)
        return self._landmarker.see(picture, region), region

    def _find_pair(self, before: Still, after: Still) -> tuple[Seen, Seen] | None:
        """Find the face of the source that changed most, and the result's face at the same place.

        Each is seen through its own window. Through the source's, which grows as the chin falls, even a frozen face
        would seem to open its mouth a little, and a correlation does not care how little.
        """
        best: tuple[float, Seen] | None = None
        for found in self._detector.find(before):
            face, region = self._look(before, Region.of_detection(found))
            if face.presence < PRESENT:
                continue
            change = _change(before, after, face)
            if best is None or change > best[0]:
                best = change, (face, region)
        if best is None:
            return None
        return best[1], self._look(after, best[1][1])

    def _compare(
        self,
        number: int,
        time: float,
        before: Still,
        after: Still,
        first: Seen,
        second: Seen,
        *,
        embed: bool,
    ) -> tuple[Sample | None, tuple[NDArray[np.uint8], NDArray[np.uint8]] | tuple[()]]:
        """Measure one frame; no sample if its face was left as it is."""
        face = first[0]
        if _change(before, after, face) < CHANGED:
            return None, ()
        views = [_view(before, *first), _view(after, *second)]
        shapes = [self._oracles.find_shape(view, mesh) for view, mesh in views]
        oval = _oval_mask(before, face, 1.0)
        sample = Sample(
            number,
            time,
            (face.points, second[0].points),
            (float(before.y[oval].mean()), float(after.y[oval].mean())),
            (self._oracles.points(shapes[0]), self._oracles.points(shapes[1])),
            _compare_outside(before, after, ~_oval_mask(before, face, OUTSIDE)),
        )
        if embed:
            one, two = (self._oracles.embed(view, shape) for (view, _), shape in zip(views, shapes, strict=True))
            sample.embeddings = one, two
            first_answers, second_answers = (calibrate.answers(self._landmarker, *view) for view in views)
            sample.answers = first_answers, second_answers
        return sample, (views[0][0], views[1][0])


def measure(
    source: Path,
    result: Path,
    avatar: Path,
    ranges: Ranges | None = None,
    *,
    every: int = 5,
    weights: Path | None = None,
) -> QualityScores:
    """Score one swap; see Judge.measure. Model files are fetched if they are not in `weights` yet."""
    return Judge(weights or pull_models()).measure(source, result, avatar, ranges, every=every)


def pull_models() -> Path:
    """Have the mesh's models where ugclab keeps them."""
    settings = Settings()
    ensure(MODELS, settings.weights_dir, offline=settings.offline, mirror=settings.weights_mirror)
    return settings.weights_dir


def _decode(path: Path) -> Iterator[tuple[Fraction, Still]]:
    """Yield (seconds from the first frame, planes) of each frame."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        start: int | None = None
        for frame in container.decode(stream):
            assert frame.pts is not None
            start = frame.pts if start is None else start
            whole = frame.to_ndarray(format="yuv420p") if frame.format.name != "yuv420p" else frame.to_ndarray()
            width, height = frame.width, frame.height
            half = np.s_[height * width :]
            chroma = whole.reshape(-1)[half].reshape(2, -(-height // 2), -(-width // 2))
            colour = Colour(
                matrix=MATRICES.get(int(frame.colorspace), "unknown"), full_range=int(frame.color_range) == 2
            )
            y = whole.reshape(-1)[: height * width].reshape(height, width)
            yield Fraction(frame.pts - start) * stream.time_base, Still(y, chroma[0], chroma[1], colour)


def _paired(source: Path, result: Path) -> Iterator[tuple[Fraction, Still, Still | None]]:
    """Pair each source frame with the result's frame shown at that time, within 4 ms."""
    results = _decode(result)
    waiting = next(results, None)
    tolerance = Fraction(4, 1000)
    for time, before in _decode(source):
        while waiting is not None and waiting[0] < time - tolerance:
            waiting = next(results, None)
        if waiting is not None and waiting[0] <= time + tolerance:
            yield time, before, waiting[1]
            waiting = next(results, None)
        else:
            yield time, before, None


def _oval_mask(picture: Still, face: Face, grown: float) -> NDArray[np.bool_]:
    """Mark the px inside the face's oval, grown about its centre."""
    oval = face.points[list(signals.OVAL), :2]
    centre = oval.mean(0)
    mask = np.zeros(picture.y.shape, np.uint8)
    cv2.fillPoly(mask, [np.round(centre + (oval - centre) * grown).astype(np.int32)], 1)
    return mask.astype(bool)


def _distance_to(face: Face, middle: tuple[float, float]) -> float:
    """Measure how far a face is from a place, in face widths."""
    found = face.points[list(signals.ANCHORS), :2].mean(0)
    return float(np.linalg.norm(found - middle)) / signals.face_width(face.points)


def _change(before: Still, after: Still, face: Face) -> float:
    """Mean absolute luma difference inside the face's oval."""
    oval = _oval_mask(before, face, 0.9)
    if not oval.any():
        return 0.0
    return float(np.abs(before.y[oval].astype(np.int16) - after.y[oval]).mean())


def _compare_outside(before: Still, after: Still, outside: NDArray[np.bool_]) -> tuple[float, float, int]:
    difference = before.y[outside].astype(np.int32) - after.y[outside]
    return float((difference == 0).sum()), float((difference**2).sum()), int(outside.sum())


def _view(picture: Still, face: Face, region: Region) -> tuple[NDArray[np.uint8], Floats]:
    """Cut the upright window out of a picture: RGB, and the mesh in its px."""
    affine = region.to_window(WINDOW_PX)
    rgb = to_rgb(window(picture, affine, (WINDOW_PX, WINDOW_PX)), codes_of(picture))
    mesh = face.points[:, :2] @ affine[:, :2].T + affine[:, 2]
    return np.ascontiguousarray((rgb * 255 + 0.5).astype(np.uint8)), mesh.astype(np.float32)


def _write_sheet(path: Path, pairs: list[tuple[Sample, NDArray[np.uint8]]], wanted: NDArray[np.float64]) -> None:
    """Draw up to 32 pairs, source above result, with time and distance."""
    tiles = []
    for sample, pair in pairs[:: max(1, -(-len(pairs) // 32))]:
        tile = np.ascontiguousarray(pair[..., ::-1])
        assert sample.embeddings is not None
        text = f"{sample.time:.2f} s  {np.linalg.norm(sample.embeddings[1] - wanted):.2f}"
        cv2.putText(tile, text, (6, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 255, 0), 2, cv2.LINE_AA)
        tiles.append(tile)
    while tiles and len(tiles) % 8:
        tiles.append(np.zeros_like(tiles[0]))
    if tiles:
        cv2.imwrite(str(path), np.vstack([np.hstack(tiles[i : i + 8]) for i in range(0, len(tiles), 8)]))
