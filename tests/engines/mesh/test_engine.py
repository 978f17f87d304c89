"""The engine whole, where it is more than its parts: a preview, a single frame."""

import pytest

import ugclab
from tests.engines.mesh.conftest import Models
from ugclab.sample import AVATAR, CLIP
from ugclab.settings import Settings


@pytest.mark.parametrize("at", [0, "2.04"])
def test_a_preview_shows_the_swap(models: Models, settings: Settings, at: float | str) -> None:
    """It analyses one frame only, which was taken for a false alarm."""
    shown = ugclab.preview(CLIP, AVATAR, at, settings=settings)
    assert shown.swapped
    assert (shown.after != shown.before).any(axis=2).mean() > 0.02
