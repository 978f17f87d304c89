"""Strips: whatever the footage's codec, turn, length and keyframes, each tile shows its own moment, upright."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.clips import make_clip, read_number
from ugclab.errors import Cancelled
from ugclab.media.probe import probe
from ugclab.pipeline import strip
from ugclab.pipeline.strip import TILE_HEIGHT_PX, film_strip


def numbers(made: strip.Strip) -> list[int]:
    width = made.tile_width
    return [
        read_number(made.picture[:, n * width : (n + 1) * width].mean(axis=2).astype(np.uint8))
        for n in range(len(made.times))
    ]


@pytest.mark.parametrize(
    "clip",
    [
        {"gop": 6},
        {"gop": 250},
        {"gop": 250, "b_frames": 0},
        {"codec": "libx265", "gop": 30},
        {"codec": "libvpx-vp9", "gop": 12},
        {"pixel_format": "yuv420p10le", "codec": "libx265", "gop": 10},
        {"rotation": 90, "size": (384, 216)},
        {"rotation": 180, "gop": 5},
        {"gop": 8, "open_gop": True},
        {"times": [i * 3 + (i % 3) for i in range(96)], "time_base": Fraction(1, 72), "gop": 20},
    ],
    ids=str,
)
def test_each_tile_shows_its_moment(tmp_path: Path, clip: dict[str, Any]) -> None:
    path = make_clip(tmp_path / "clip.mp4", **({"frames": 96, "rate": 24, "size": (384, 216), "sounds": ()} | clip))
    info = probe(path)
    made = film_strip(path, info, 6)
    assert made.picture.shape == (TILE_HEIGHT_PX, 6 * made.tile_width, 3)
    assert made.tile_width == (41 if clip.get("rotation") == 90 else 128)
    assert [float(t) for t in made.times] == pytest.approx([float(info.duration) * (2 * n + 1) / 12 for n in range(6)])
    if clip.get("rotation") == 90:
        return  # a tile of 41 px has no room for the number
    for number, at in zip(numbers(made), made.times, strict=True):
        assert abs(number - float(at) * 24) <= 8.5


def test_long_footage_is_not_decoded_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=96, rate=24, size=(384, 216), gop=48, sounds=())
    monkeypatch.setattr(strip, "MOST_PX", 1000)
    monkeypatch.setattr(strip, "_frames", None)
    assert set(numbers(film_strip(path, probe(path), 8))) == {0, 48}


def test_a_turned_picture_is_upright(tmp_path: Path) -> None:
    upright = make_clip(tmp_path / "upright.mp4", frames=2, size=(216, 384), sounds=())
    turned = make_clip(tmp_path / "turned.mp4", frames=2, size=(384, 216), rotation=90, sounds=())
    a, b = (film_strip(p, probe(p), 2).picture.astype(float) for p in (upright, turned))
    assert np.abs(a - b).mean() < 4


def test_hdr_is_tone_mapped(tmp_path: Path) -> None:
    clips = []
    for name, colour in (("hdr", (9, 16, 9)), ("sdr", (9, 14, 9))):
        path = tmp_path / f"{name}.mp4"
        clips.append(
            make_clip(path, frames=8, codec="libx265", pixel_format="yuv420p10le", colour=colour, gop=4, sounds=())
        )
    hdr, sdr = (film_strip(path, probe(path), 2) for path in clips)
    assert numbers(hdr)[0] in range(5)
    assert np.abs(hdr.picture.astype(int) - sdr.picture).mean() > 5


def test_short_footage_and_a_cancelled_one(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=3, sounds=())
    made = film_strip(path, probe(path), 48)
    assert len(made.times) == 3
    assert numbers(made) == [0, 1, 2]
    with pytest.raises(Cancelled):
        film_strip(path, probe(path), 48, cancelled=lambda: True)
