"""Which of the people in a clip are swapped: by size, place, number or likeness, and where each of them is seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ugclab.engines.mesh import appearance
from ugclab.engines.mesh.topology import Floats
from ugclab.errors import FaceAmbiguous, FaceNotFound
from ugclab.schema.job import FaceSelector

PASSER_BY = 0.08
"""Somebody seen in less than this share of the frames of the one seen longest is not counted as a person of the
clip."""
LIKE_MARGIN = 0.05
"""Two people whose likeness to a photo differs by less than this cannot be told apart by it."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who was followed through the clip."""

    track: int
    frames: int
    size: float
    """Median face width, px."""
    x: float
    """Median place, px from the left."""
    looks: Sequence[Floats]


def people(index: NDArray[np.void], looks: dict[int, list[Floats]]) -> list[Person]:
    """Everybody worth counting, from left to right."""
    found = []
    for track in np.unique(index["track"]).tolist():
        rows = index[index["track"] == track]
        found.append(
            Person(track, len(rows), float(np.median(rows["size"])), float(np.median(rows["x"])), looks.get(track, []))
        )
    longest = max((person.frames for person in found), default=0)
    # One frame alone is a false alarm, unless there is no more than one: a preview looks at a single picture.
    least = max(PASSER_BY * longest, min(longest, 2))
    return sorted((p for p in found if p.frames >= least), key=lambda p: p.x)


def choose(persons: Sequence[Person], selector: FaceSelector, photo: Sequence[Floats] = ()) -> list[Person]:
    """Whom a selector means; empty where the clip shows nobody. Raises FaceNotFound, FaceAmbiguous."""
    if not persons:
        return []
    if selector.kind == "all":
        return list(persons)
    if selector.kind == "left":
        return [persons[0]]
    if selector.kind == "right":
        return [persons[-1]]
    if selector.kind == "index":
        if selector.index >= len(persons):
            shown, last = len(persons), len(persons) - 1
            raise FaceNotFound(
                f"face index:{selector.index} was asked for, but the footage shows "
                + (f"{shown} people" if last else "one person"),
                hint=f"use index:0 to index:{last}, from left to right" if last else "leave --face out, or use index:0",
            )
        return [persons[selector.index]]
    if selector.kind == "like":
        return [_most_like(persons, photo)]
    # The largest face, by how much of the clip it fills; a passer-by close to the camera is not meant.
    return [max(persons, key=lambda p: p.size * p.size * p.frames)]


def _most_like(persons: Sequence[Person], photo: Sequence[Floats]) -> Person:
    scored = sorted(
        (
            (max((appearance.likeness(a, b) for a in person.looks for b in photo), default=-1.0), person.track, person)
            for person in persons
        ),
        reverse=True,
        key=lambda entry: entry[:2],
    )
    best = scored[0]
    if len(scored) > 1 and best[0] - scored[1][0] < LIKE_MARGIN:
        raise FaceAmbiguous(
            "two people in the footage look about equally like the photo",
            hint="use a frame of the footage itself as the photo, or choose left, right or index:N",
        )
    return best[2]


def cast(persons: Sequence[Person], chosen: Sequence[Person], index: NDArray[np.void]) -> list[list[int]]:
    """The tracks of each chosen person: his own, and others that are he under another number.

    After a cut somebody may get a new number: a track that is never seen together with his and looks like him is his.
    """
    groups: list[list[int]] = []
    taken: set[int] = set()
    for person in chosen:
        if person.track in taken:
            continue
        group = [person.track]
        frames = set(index["frame"][index["track"] == person.track].tolist())
        for other in persons:
            theirs = set(index["frame"][index["track"] == other.track].tolist())
            if other.track not in {*taken, *group} and not frames & theirs and _alike(person, other):
                group.append(other.track)
                frames |= theirs
        groups.append(group)
        taken.update(group)
    return groups


def _alike(a: Person, b: Person) -> bool:
    best = max((appearance.likeness(x, y) for x in a.looks for y in b.looks), default=-1.0)
    return best >= appearance.SAME
