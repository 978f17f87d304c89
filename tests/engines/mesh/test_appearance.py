"""One person is like himself wherever and however bright he is; another is not."""

import numpy as np
import pytest

from tests.engines.mesh.conftest import Models
from tests.engines.mesh.people import Actor, find, wall
from ugclab.engines.mesh import appearance
from ugclab.engines.mesh.sampling import Still
from ugclab.engines.mesh.topology import Floats


def view(
    models: Models, actor: Actor, *, size: float = 130, x: float = 320, roll: float = 0, light: float = 1
) -> Floats:
    canvas = wall()
    actor.play(canvas, x, 200, size, roll=roll)
    canvas = np.clip(canvas * light, 0, 255).astype(np.uint8)
    return appearance.look(Still.from_rgb(canvas), find(canvas, *models))


def test_a_description_has_unit_length(models: Models, talker: Actor) -> None:
    assert np.linalg.norm(view(models, talker)) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    "change",
    [{"x": 260.0}, {"size": 90.0}, {"roll": 0.35}, {"light": 0.6}, {"size": 170.0, "light": 1.2, "roll": -0.2}],
    ids=str,
)
def test_one_person_is_like_himself(models: Models, talker: Actor, officer: Actor, change: dict[str, float]) -> None:
    for actor in (talker, officer):
        assert appearance.likeness(view(models, actor), view(models, actor, **change)) >= appearance.SAME


def test_two_people_are_not(models: Models, talker: Actor, officer: Actor) -> None:
    for change in ({}, {"light": 0.7}, {"size": 90.0}):
        assert appearance.likeness(view(models, talker), view(models, officer, **change)) < appearance.OTHER


def test_nothing_breaks_in_the_dark(models: Models, talker: Actor) -> None:
    black = Still.from_rgb(np.zeros((400, 640, 3), np.uint8))
    seen = appearance.look(black, talker.points)
    assert np.isfinite(seen).all()
    assert np.linalg.norm(seen) <= 1 + 1e-4
