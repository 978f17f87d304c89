"""What tracking found, on disk: one small index in memory, the landmarks read as they are needed.

A minute of one face at 25 fps is 8.4 MB of landmarks; memory stays flat however long the footage is.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ugclab.engines.mesh import pose, topology
from ugclab.engines.mesh.landmarks import COUNT
from ugclab.engines.mesh.topology import Floats

INDEX = np.dtype(
    [
        ("frame", "<i4"),
        ("track", "<i4"),
        ("size", "<f4"),
        ("x", "<f4"),
        ("y", "<f4"),
        ("yaw", "<f4"),
        ("pitch", "<f4"),
        ("hand", "?"),
        ("bridge", "<f4"),
    ]
)
"""A sighting: its frame's number over all analysed frames, who, how wide and where (px), how turned (degrees), whether
a hand was seen before it, and the line over its nose (see glasses; NaN where nobody looked)."""
RECORD_BYTES = COUNT * 3 * 4
NO_FRAME = np.iinfo(np.int64).min
RANGE_GAP = 16
MAX_BRIDGE = 4
"""A face lost for so few frames is carried over the gap: one frame of the old face is a flash everybody sees."""
MAX_BRIDGE_MOVE = 0.6
"""…unless it moved further than this, in face widths: then it was not one movement."""


class Recorder:
    """Writes sightings as they come."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._landmarks = (folder / "landmarks.bin").open("wb")
        self._index: list[tuple[int, int, float, float, float, float, float, bool, float]] = []
        self._stamps: list[int] = []
        self._frame = -1

    def begin_frame(self, pts: int) -> None:
        """All faces added from here on are in the frame with this timestamp."""
        self._stamps.append(pts)
        self._frame += 1

    def begin_range(self) -> None:
        """Leave a gap in the numbers, so that nothing is smoothed or bridged from one range to the next."""
        self._stamps += [NO_FRAME] * RANGE_GAP
        self._frame += RANGE_GAP

    def add(self, track: int, points: Floats, *, hand: bool = False, bridge: float = np.nan) -> None:
        """One face of the frame begun last; `points` (468, 3) in px, and what is before it."""
        self._landmarks.write(np.ascontiguousarray(points, "<f4").tobytes())
        low, high = topology.bounds(points)
        x, y = (low + high) / 2
        turned = pose.fit(points, topology.canonical())
        size = float(high[0] - low[0])
        self._index.append((self._frame, track, size, float(x), float(y), turned.yaw, turned.pitch, hand, bridge))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._landmarks.close()
        np.save(self._folder / "index.npy", np.array(self._index, INDEX))
        np.save(self._folder / "stamps.npy", np.array(self._stamps, np.int64))


class Records:
    """Reads sightings back."""

    def __init__(self, folder: Path) -> None:
        self.index: NDArray[np.void] = np.load(folder / "index.npy")
        self.stamps: NDArray[np.int64] = np.load(folder / "stamps.npy")
        """Timestamp of each analysed frame, NO_FRAME in the gaps between ranges."""
        self._landmarks = folder / "landmarks.bin"

    def read(self, rows: NDArray[np.intp]) -> Iterator[Floats]:
        """Landmarks (468, 3) of the given rows of the index, one at a time."""
        with self._landmarks.open("rb") as file:
            for row in rows.tolist():
                file.seek(row * RECORD_BYTES)
                yield np.frombuffer(file.read(RECORD_BYTES), "<f4").reshape(COUNT, 3)

    def rows_of(self, tracks: list[int]) -> NDArray[np.intp]:
        """Rows of one person's tracks by rising frame."""
        rows = np.flatnonzero(np.isin(self.index["track"], tracks))
        rows = rows[np.argsort(self.index["frame"][rows], kind="stable")]
        frames = self.index["frame"][rows]
        return rows[np.diff(frames, prepend=-1) > 0]

    def runs(self, rows: NDArray[np.intp]) -> list[tuple[int, int]]:
        """Frame numbers (first, last) of unbroken stretches of `rows`, short gaps bridged."""
        if not len(rows):
            return []
        frames, size = self.index["frame"][rows], self.index["size"][rows]
        move = np.hypot(np.diff(self.index["x"][rows]), np.diff(self.index["y"][rows])) / size[:-1]
        gap = np.diff(frames) - 1
        breaks = np.flatnonzero((gap > MAX_BRIDGE) | ((gap > 0) & (move > MAX_BRIDGE_MOVE)))
        firsts = np.concatenate([[0], breaks + 1])
        lasts = np.concatenate([breaks, [len(frames) - 1]])
        return [(int(frames[a]), int(frames[b])) for a, b in zip(firsts, lasts, strict=True)]

    def bridged(self, rows: NDArray[np.intp]) -> Iterator[tuple[int, Floats]]:
        """(Frame number, landmarks) of one person, with short gaps filled along a straight line."""
        joined = {frame for first, last in self.runs(rows) for frame in range(first, last + 1)}
        before: tuple[int, Floats] | None = None
        for frame, points in zip(self.index["frame"][rows].tolist(), self.read(rows), strict=True):
            if before is not None and before[0] + 1 in joined:
                for missing in range(before[0] + 1, frame):
                    share = np.float32((missing - before[0]) / (frame - before[0]))
                    yield missing, before[1] + share * (points - before[1])
            before = (frame, points)
            yield before
