"""Following stills moved over a wall: how far from the truth, and who is who."""

from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.engines.mesh.conftest import Models
from tests.engines.mesh.people import Actor, find, middle, wall, width
from ugclab.engines.mesh.sampling import Still
from ugclab.engines.mesh.tracking import Sighting, Tracker

FACE = 100.0
Seen = list[list[Sighting]]


def follow(models: Models, pictures: Iterable[NDArray[np.uint8]], tracker: Tracker | None = None) -> Seen:
    tracker = tracker or Tracker(*models)
    return [sightings for _, sightings in tracker.follow(Still.from_rgb(p) for p in pictures)]


def scene(*parts: tuple[Actor, float, float], size: float = FACE) -> NDArray[np.uint8]:
    canvas = wall()
    for actor, x, y in parts:
        actor.play(canvas, x, y, size)
    return canvas


def places(seen: Seen, track: int) -> dict[int, NDArray[np.float32]]:
    """Middle of a track's face by frame."""
    return {n: middle(s.face.points) for n, sightings in enumerate(seen) for s in sightings if s.track == track}


def swing(frames: int, fastest: float) -> NDArray[np.float64]:
    """Places along x whose fastest step is `fastest` face widths a frame."""
    return 320 + fastest * FACE / 0.3 * np.sin(0.3 * np.arange(frames))


def test_fast_motion_is_followed(models: Models, talker: Actor) -> None:
    """Up to 0.45 face widths a frame, turning round five times: in every frame, and where the face is."""
    track = swing(50, 0.45)
    seen = follow(models, (scene((talker, x, 200)) for x in track))
    assert [len(s) for s in seen] == [1] * 50
    found = places(seen, 0)
    still = find(scene((talker, 320.0, 200.0)), *models)
    bias = middle(still) - [320, 200]
    errors = [float(np.linalg.norm(found[n] - bias - [x, 200])) / width(still) for n, x in enumerate(track)]
    assert max(errors) < 0.15
    assert np.median(errors) < 0.03


def test_leaving_the_picture_and_coming_back(models: Models, talker: Actor) -> None:
    """Nothing is invented while nobody is there, and who comes back has his number."""
    away, back = 320 + 35.0 * np.arange(1, 16), np.linspace(845, 320, 16)
    x = np.concatenate([np.full(12, 320.0), away, np.full(14, 900.0), back, np.full(16, 320.0)])
    seen = follow(models, (scene((talker, place, 200)) for place in x))
    assert not any(sightings for place, sightings in zip(x, seen, strict=True) if place > 640 + FACE / 2)
    inside = [sightings for place, sightings in zip(x, seen, strict=True) if place < 640 - FACE / 2]
    assert sum(len(sightings) == 1 for sightings in inside) >= len(inside) - 3
    assert {s.track for sightings in seen for s in sightings} == {0}
    assert all(len(s) == 1 for s in seen[:12])
    assert all(len(s) == 1 for s in seen[-12:])


def test_a_face_that_is_mostly_outside_is_not_given_out(models: Models, talker: Actor) -> None:
    """It creeps out of the picture and stays there, a third of it in sight: landmarks beyond the edge are guesses."""
    x = np.concatenate([np.full(6, 560.0), np.linspace(560, 655, 20), np.full(10, 655.0)])
    seen = follow(models, (scene((talker, place, 200)) for place in x))
    assert seen[5]
    assert not any(seen[-8:])
    for face in (s.face for sightings in seen for s in sightings):
        assert middle(face.points)[0] < 640 + 0.05 * FACE


def test_two_people_who_cross_keep_their_numbers(models: Models, talker: Actor, officer: Actor) -> None:
    """They pass each other, the one in front covering the other."""
    x = np.concatenate([np.full(12, 170.0), 170 + 300 * np.arange(0, 31) / 30, np.full(15, 470.0)])
    seen = follow(models, (scene((officer, 640 - a, 205), (talker, a, 195)) for a in x))
    first = {s.track: middle(s.face.points)[0] for s in seen[11]}
    assert len(first) == 2
    front, behind = sorted(first, key=first.__getitem__)
    last = {s.track: middle(s.face.points)[0] for s in seen[-1]}
    assert last[front] > 400
    assert last[behind] < 240
    errors = [abs(place[0] - x[n]) / FACE for n, place in places(seen, front).items()]
    assert len(errors) > 0.95 * len(x), "the one in front is never hidden"
    assert max(errors) < 0.35, "it never sits on the other"


@pytest.mark.parametrize("cut", [20, 21, 23])
def test_a_cut_to_somebody_else_changes_the_number(models: Models, talker: Actor, officer: Actor, cut: int) -> None:
    """At the very same place, so that only the looks tell; and cutting back brings the first number back."""
    pictures = [scene((talker, 320, 200))] * cut + [scene((officer, 320, 200))] * 20 + [scene((talker, 320, 200))] * 20
    seen = follow(models, pictures)
    numbers = [{s.track for s in sightings} for sightings in seen]
    assert all(n == {0} for n in numbers[:cut])
    assert numbers[cut + 16] == {1}
    assert numbers[cut + 36] == {0}
    assert not any(0 in n for n in numbers[cut : cut + 20]), "frames of the other under the first one's number"
    assert not any(1 in n for n in numbers[cut + 20 :])


def test_a_small_and_a_large_face_are_both_followed(models: Models, talker: Actor, officer: Actor) -> None:
    def pair() -> NDArray[np.uint8]:
        canvas = wall()
        talker.play(canvas, 180, 210, 150)
        officer.play(canvas, 500, 190, 50)
        return canvas

    seen = follow(models, [pair()] * 25)
    sizes = sorted(width(s.face.points) for s in seen[-1])
    assert sizes == [pytest.approx(50, rel=0.15), pytest.approx(150, rel=0.15)]


def test_a_gap_between_ranges_keeps_the_numbers(models: Models, talker: Actor, officer: Actor) -> None:
    """Two ranges of one clip: the same two people, who have changed places meanwhile."""
    tracker = Tracker(*models)
    before = follow(models, [scene((talker, 180, 200), (officer, 460, 200))] * 12, tracker)[-1]
    after = follow(models, [scene((officer, 180, 200), (talker, 460, 200))] * 12, tracker)[-1]
    at_left = [min(s, key=lambda s: middle(s.face.points)[0]).track for s in (before, after)]
    assert at_left[0] != at_left[1]
    assert {s.track for s in before} == {s.track for s in after} == {0, 1}
    assert set(tracker.looks()) == {0, 1}


def test_nobody_is_seen_on_a_bare_wall(models: Models) -> None:
    seen = follow(models, [wall()] * 12)
    assert seen == [[]] * 12
