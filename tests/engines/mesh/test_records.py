"""What tracking wrote is read back: runs, bridges, and gaps between ranges."""

from pathlib import Path

import numpy as np
import pytest

from ugclab.engines.mesh import topology
from ugclab.engines.mesh.records import MAX_BRIDGE, NO_FRAME, Recorder, Records
from ugclab.engines.mesh.topology import Floats

WIDTH = 270.0


def face(x: float, y: float = 200.0) -> Floats:
    """A face about 270 px wide."""
    return (topology.canonical() * 100 + [x, y, 0]).astype(np.float32)


def record(folder: Path, *ranges: dict[int, dict[int, float]], length: int = 30) -> Records:
    """Write ranges of `length` frames: frame -> track -> x."""
    with Recorder(folder) as recorder:
        for number, sightings in enumerate(ranges):
            recorder.begin_range()
            for frame in range(length):
                recorder.begin_frame(1000 * number + 10 * frame)
                for track, x in sightings.get(frame, {}).items():
                    recorder.add(track, face(x))
    return Records(folder)


def first_frame(records: Records) -> int:
    return int(np.flatnonzero(records.stamps != NO_FRAME)[0])


def test_what_was_written_is_read(tmp_path: Path) -> None:
    records = record(tmp_path, {0: {0: 100}, 1: {0: 101.5, 1: 600}, 2: {1: 602}})
    assert records.index["track"].tolist() == [0, 0, 1, 1]
    assert records.stamps[records.index["frame"]].tolist() == [0, 10, 10, 20]
    read = list(records.read(np.array([2, 0])))
    assert np.array_equal(read[0], face(600))
    assert np.array_equal(read[1], face(100))
    entry = records.index[0]
    assert entry["size"] == pytest.approx(float(np.ptp(face(0)[:, 0])), rel=1e-5)
    assert entry["x"] == pytest.approx(100, abs=3)
    assert (abs(entry["yaw"]), abs(entry["pitch"])) < (0.5, 0.5)


def test_nothing_seen_is_nothing_read(tmp_path: Path) -> None:
    records = record(tmp_path, {})
    rows = records.rows_of([0])
    assert len(rows) == 0
    assert records.runs(rows) == []
    assert list(records.bridged(rows)) == []


def test_rows_of_a_person_with_two_numbers(tmp_path: Path) -> None:
    """By rising frame, and one sighting a frame even where both numbers have one."""
    records = record(tmp_path, {0: {3: 10}, 1: {3: 11}, 2: {3: 12, 5: 500}, 3: {5: 501}, 4: {4: 900}})
    rows = records.rows_of([5, 3])
    first = first_frame(records)
    assert (records.index["frame"][rows] - first).tolist() == [0, 1, 2, 3]
    assert 4 not in records.index["track"][rows]


def test_a_short_gap_is_bridged_on_a_straight_line(tmp_path: Path) -> None:
    records = record(tmp_path, {0: {0: 100}, 1: {0: 110}, 5: {0: 150}, 6: {0: 160}})
    rows, first = records.rows_of([0]), first_frame(records)
    assert records.runs(rows) == [(first, first + 6)]
    path = [
        (frame - first, float(points[:, 0].mean() - face(0)[:, 0].mean())) for frame, points in records.bridged(rows)
    ]
    assert [frame for frame, _ in path] == [0, 1, 2, 3, 4, 5, 6]
    assert [x for _, x in path] == pytest.approx([100, 110, 120, 130, 140, 150, 160], abs=0.01)


def test_a_long_gap_is_none(tmp_path: Path) -> None:
    records = record(tmp_path, {0: {0: 100}, MAX_BRIDGE + 2: {0: 100}})
    rows, first = records.rows_of([0]), first_frame(records)
    assert records.runs(rows) == [(first, first), (first + MAX_BRIDGE + 2,) * 2]
    assert [frame - first for frame, _ in records.bridged(rows)] == [0, MAX_BRIDGE + 2]


def test_a_jump_is_not_bridged(tmp_path: Path) -> None:
    """A cut to a close-up is not one movement; fast motion without a gap is."""
    records = record(tmp_path, {0: {0: 100}, 3: {0: 100 + WIDTH}, 4: {0: 100 + 2 * WIDTH}})
    rows, first = records.rows_of([0]), first_frame(records)
    assert records.runs(rows) == [(first, first), (first + 3, first + 4)]
    assert [frame - first for frame, _ in records.bridged(rows)] == [0, 3, 4]


def test_ranges_do_not_touch(tmp_path: Path) -> None:
    """A face in the last frame of one range and the first of the next: nothing is smoothed or bridged between."""
    records = record(tmp_path, {29: {0: 100}}, {0: {0: 100}})
    rows = records.rows_of([0])
    runs = records.runs(rows)
    assert [first == last for first, last in runs] == [True, True]
    assert runs[1][0] - runs[0][1] > MAX_BRIDGE + 3
    assert (records.stamps[runs[0][0]], records.stamps[runs[1][0]]) == (290, 1000)
    between = records.stamps[runs[0][0] + 1 : runs[1][0]]
    assert (between == NO_FRAME).all()
