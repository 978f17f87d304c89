import numpy as np
import pytest

pytest.importorskip("scipy", reason="the extra 'sample' is not installed")

from sample_media import motion
from sample_media.warp import invert, smooth

RATE, FPS, FRAMES = 16000, 25, 100


def voice() -> np.ndarray:
    """One second of silence, one of a low vowel, one of hiss, one of silence."""
    time = np.arange(RATE) / RATE
    vowel = 0.3 * np.sin(2 * np.pi * 700 * time)
    hiss = np.diff(np.random.default_rng(1).normal(0, 0.1, RATE + 1))
    return np.concatenate([np.zeros(RATE), vowel, hiss, np.zeros(RATE)])


def test_mouth_follows_the_voice() -> None:
    jaw, close, _ = motion.mouth_curves(voice(), RATE, FRAMES, FPS)
    silent, vowel, hiss = slice(5, 20), slice(30, 45), slice(55, 70)
    assert jaw[silent].max() < 0.02 < 0.7 < jaw[vowel].min()
    assert jaw[hiss].max() < 0.5 * jaw[vowel].min(), "hiss lets the teeth meet"
    assert close[silent].min() > 0.9
    assert close[vowel].max() < 0.1


def test_blinks_are_short_whole_and_irregular() -> None:
    lids = motion.blinks(60 * FPS, FPS, np.random.default_rng(2))
    shut = np.flatnonzero((lids[:-1] < 0.05) & (lids[1:] >= 0.05))
    opened = np.flatnonzero((lids[:-1] >= 0.05) & (lids[1:] < 0.05))
    lengths = (opened - shut[: len(opened)]) / FPS
    assert 10 <= len(shut) <= 30
    assert lengths.max() <= 0.28
    assert np.diff(shut).std() > FPS / 2
    assert lids.max() <= 1


def test_seed_decides_everything() -> None:
    first, again, other = (
        motion.talk(voice(), RATE, FRAMES, FPS, seed, smiling=True, jaw_scale=0.5) for seed in (7, 7, 8)
    )
    assert first == again
    assert first != other


def test_ease_does_not_lag() -> None:
    pulse = np.zeros(41)
    pulse[20] = 1
    assert np.argmax(motion.ease(pulse, 0.4)) == 20


def test_inversion_undoes_a_displacement() -> None:
    grid = np.stack(np.meshgrid(np.arange(64.0), np.arange(48.0)), axis=-1).astype(np.float32)
    bump = 4 * smooth(1 - np.linalg.norm(grid - [32, 24], axis=-1) / 20)
    moved = np.stack([bump, -0.5 * bump], axis=-1).astype(np.float32)
    places = invert(moved, grid, np.zeros(2), 1.0, rounds=30)
    inner = np.s_[10:38, 12:52]
    x, y = np.rint(places[24, 32]).astype(int)
    assert (x, y) != (32, 24)
    back = places + np.stack([4 * smooth(1 - np.linalg.norm(places - [32, 24], axis=-1) / 20)] * 2, -1) * [1, -0.5]
    assert np.abs(back - grid)[inner].max() < 0.05
