"""Finding faces: MediaPipe's full-range detector (Bazarevsky et al., BlazeFace, 2019), sparse variant, on LiteRT."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ugclab.engines.mesh.interpreter import Model
from ugclab.engines.mesh.sampling import Floats, Picture, codes_of, to_rgb, window

SIZE = 192
GRID = 48  # 48 x 48 anchors, stride 4, one a cell
MIN_SCORE = 0.5
MAX_OVERLAP = 0.3
# A face under about 1/14 of the window's side is unsure to be found: pictures are searched in smaller windows too.
TILE_OVERLAP = 0.35


@dataclass(frozen=True, slots=True)
class Detection:
    """A face found: all in picture pixels."""

    centre: Floats
    """(2,) middle of the box."""
    size: float
    """Side of the square box."""
    angle: float
    """Radians clockwise from upright, by the line through the eyes."""
    score: float


class Detector:
    """Finds faces in a picture. One thread, about 2 ms a window."""

    def __init__(self, model: Path) -> None:
        self._model = Model(model)
        cells = (np.arange(GRID, dtype=np.float32) + 0.5) / GRID
        self._anchors = np.stack(np.meshgrid(cells, cells), axis=-1).reshape(-1, 2)

    def find(self, picture: Picture, *, thorough: bool = False) -> list[Detection]:
        """Faces by falling score. `thorough` also searches half-size windows, for small faces (4 to 8 windows more)."""
        height, width = picture.y.shape
        side = max(height, width)
        found = self._search(picture, (width / 2, height / 2), side)
        if thorough or not found:
            for centre, tile in _tiles(width, height):
                found += self._search(picture, centre, tile)
        return _suppress(found)

    def _search(self, picture: Picture, centre: tuple[float, float], side: float) -> list[Detection]:
        scale = SIZE / side
        to_window = np.array(
            [
                [scale, 0, SIZE / 2 - scale * centre[0]],
                [0, scale, SIZE / 2 - scale * centre[1]],
            ],
            np.float32,
        )
        rgb = to_rgb(window(picture, to_window, (SIZE, SIZE), fill=16.0), codes_of(picture))
        boxes, logits = self._model.run(rgb * 2 - 1)
        logits = logits.reshape(-1)
        hits = np.flatnonzero(logits > np.log(MIN_SCORE / (1 - MIN_SCORE)))
        detections = []
        for box, anchor, logit in zip(boxes.reshape(-1, 16)[hits], self._anchors[hits], logits[hits], strict=True):
            points = box.reshape(8, 2) / SIZE  # centre offset, size, right eye, left eye, nose, mouth, ears
            middle = (anchor + points[0]) * side + np.subtract(centre, side / 2)
            eyes = points[3] - points[2]
            detections.append(
                Detection(
                    centre=middle.astype(np.float32),
                    size=float(points[1].max() * side),
                    angle=float(np.arctan2(eyes[1], eyes[0])),
                    score=float(1 / (1 + np.exp(-min(float(logit), 30.0)))),
                )
            )
        return detections


def _tiles(width: int, height: int) -> list[tuple[tuple[float, float], float]]:
    """Square windows of about half the longer side that cover the picture with overlap."""
    tile = max(min(width, height), max(width, height) / 2) * (1 if width != height else 0.55)
    tile = min(tile, max(width, height) * 0.6)

    def starts(length: int) -> list[float]:
        if length <= tile:
            return [length / 2]
        count = int(np.ceil((length - tile) / (tile * (1 - TILE_OVERLAP)))) + 1
        return [float(x) for x in np.linspace(tile / 2, length - tile / 2, count)]

    return [((x, y), tile) for y in starts(height) for x in starts(width)]


def _suppress(found: list[Detection]) -> list[Detection]:
    """Weighted non-maximum suppression: overlapping boxes become one, averaged by score."""
    kept: list[Detection] = []
    rest = sorted(found, key=lambda d: -d.score)
    while rest:
        best = rest[0]
        same = [d for d in rest if _overlap(best, d) > MAX_OVERLAP]
        rest = [d for d in rest if _overlap(best, d) <= MAX_OVERLAP]
        weights = np.array([d.score for d in same], np.float32)
        weights /= weights.sum()
        kept.append(
            Detection(
                centre=np.einsum("i,ij->j", weights, np.stack([d.centre for d in same])),
                size=float(weights @ np.array([d.size for d in same], np.float32)),
                angle=best.angle,
                score=best.score,
            )
        )
    return kept


def _overlap(a: Detection, b: Detection) -> float:
    """Intersection over the smaller box: a face found whole in one window and cut in another is one face."""
    reach = (a.size + b.size) / 2 - np.abs(a.centre - b.centre)
    shared = np.minimum(np.maximum(reach, 0), min(a.size, b.size))
    return float(shared[0] * shared[1] / min(a.size, b.size) ** 2)
