"""Whom a selector means, and which tracks are the same person."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ugclab.engines.mesh.choosing import Person, cast, choose, people
from ugclab.engines.mesh.records import INDEX
from ugclab.engines.mesh.topology import Floats
from ugclab.errors import FaceAmbiguous, FaceNotFound
from ugclab.schema.job import FaceSelector


def look(direction: int, mixed: float = 0.0) -> Floats:
    """A view of somebody: unit vectors, as alike as `mixed` is large."""
    vector = np.zeros(8, np.float32)
    vector[direction], vector[7] = np.sqrt(1 - mixed), np.sqrt(mixed)
    return vector


def index(*seen: tuple[int, range, float, float]) -> NDArray[np.void]:
    """(Track, frames, size, x) of everybody."""
    rows = [
        (frame, track, size, x, 100.0, 0.0, 0.0, False, np.nan) for track, frames, size, x in seen for frame in frames
    ]
    return np.array(sorted(rows), INDEX)


def pick(persons: list[Person], text: str, photo: tuple[Floats, ...] = ()) -> list[int]:
    return [person.track for person in choose(persons, FaceSelector.parse(text), photo)]


THREE = index((0, range(100), 80.0, 700.0), (1, range(100), 120.0, 300.0), (2, range(90), 60.0, 1000.0))
LOOKS = {0: [look(0)], 1: [look(1)], 2: [look(2)]}


def test_people_come_from_left_to_right() -> None:
    found = people(THREE, LOOKS)
    assert [(p.track, p.frames, p.size, p.x) for p in found] == [
        (1, 100, 120, 300),
        (0, 100, 80, 700),
        (2, 90, 60, 1000),
    ]


def test_selectors() -> None:
    persons = people(THREE, LOOKS)
    assert pick(persons, "largest") == [1]
    assert pick(persons, "left") == [1]
    assert pick(persons, "right") == [2]
    assert pick(persons, "all") == [1, 0, 2]
    assert [pick(persons, f"index:{i}") for i in range(3)] == [[1], [0], [2]]
    assert pick(persons, "like:photo.jpg", (look(2),)) == [2]


def test_nobody_is_no_error() -> None:
    nobody = people(np.array([], INDEX), {})
    assert nobody == []
    for text in ("largest", "left", "right", "all", "index:0", "like:photo.jpg"):
        assert pick(nobody, text) == []


def test_an_index_beyond_the_people_says_how_many_there_are() -> None:
    with pytest.raises(FaceNotFound, match="shows 3 people") as caught:
        pick(people(THREE, LOOKS), "index:3")
    assert "index:0 to index:2" in caught.value.hint
    with pytest.raises(FaceNotFound, match="shows one person") as caught:
        pick(people(index((0, range(100), 80.0, 700.0)), {0: [look(0)]}), "index:1")
    assert "leave --face out" in caught.value.hint


def test_a_passer_by_is_not_meant() -> None:
    """Somebody close to the camera for a moment is larger than the one the clip is about."""
    seen = index((0, range(250), 100.0, 600.0), (1, range(100, 125), 160.0, 200.0), (2, range(40, 50), 200.0, 50.0))
    persons = people(seen, {})
    assert [p.track for p in persons] == [1, 0], "ten frames of 250 are nobody"
    assert pick(persons, "largest") == [0]
    assert pick(persons, "left") == [1]


def test_one_frame_is_nobody_unless_there_is_only_one() -> None:
    """A false alarm lasts for a frame; of a single picture, as a preview looks at, everybody counts."""
    assert [p.track for p in people(index((0, range(1), 100.0, 600.0), (1, range(9), 80.0, 100.0)), {})] == [1]
    assert [p.track for p in people(index((0, range(1), 100.0, 600.0), (1, range(1), 80.0, 100.0)), {})] == [1, 0]


def test_a_photo_like_two_people_is_ambiguous() -> None:
    persons = people(THREE, {0: [look(0, 0.3)], 1: [look(1, 0.31)], 2: [look(2)]})
    with pytest.raises(FaceAmbiguous) as caught:
        pick(persons, "like:photo.jpg", (look(7),))
    assert caught.value.hint


def test_a_person_keeps_his_face_under_another_number() -> None:
    """After a cut, a track never seen together with his that looks like him is he; one that does not is not."""
    seen = index((0, range(100), 100.0, 600.0), (1, range(120, 200), 100.0, 200.0), (2, range(120, 200), 90.0, 900.0))
    persons = people(seen, {0: [look(0)], 1: [look(1)], 2: [look(0, 0.2)]})
    assert cast(persons, choose(persons, FaceSelector.parse("largest")), seen) == [[0, 2]]


def test_two_who_are_seen_together_are_two() -> None:
    seen = index((0, range(100), 100.0, 600.0), (1, range(99, 180), 100.0, 200.0))
    persons = people(seen, {0: [look(0)], 1: [look(0)]})
    assert cast(persons, persons[-1:], seen) == [[0]]


def test_all_casts_everybody_once() -> None:
    seen = index((0, range(100), 100.0, 600.0), (1, range(120, 200), 100.0, 200.0), (2, range(200), 90.0, 900.0))
    persons = people(seen, {0: [look(0)], 1: [look(0)], 2: [look(2)]})
    groups = cast(persons, choose(persons, FaceSelector.parse("all")), seen)
    assert sorted(sorted(group) for group in groups) == [[0, 1], [2]]
