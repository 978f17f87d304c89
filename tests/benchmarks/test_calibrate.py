"""Scales of readings: what is closed by a known share, and what is made of the answers."""

import cv2
import numpy as np
import pytest

from benchmarks import calibrate


@pytest.mark.parametrize("turned", [0.0, 30.0])
def test_closing_leaves_the_share_it_says(turned: float) -> None:
    view = np.full((320, 320, 3), 220, np.uint8)
    cv2.ellipse(view, (160, 160), (40, 12), turned, 0, 360, (0, 0, 0), -1, cv2.LINE_AA)
    radians = np.deg2rad(turned)
    along = 80 * np.array([np.cos(radians), np.sin(radians)], np.float32)
    closed = calibrate.close(view, np.array([160, 160], np.float32), along, calibrate.EYE_REACH)
    dark = [float((255 - picture[..., 0].astype(float) - 35).clip(0).sum()) for picture in (view, closed)]
    assert dark[1] / dark[0] == pytest.approx(calibrate.REMAINS, abs=0.03)
    assert np.array_equal(closed[:90], view[:90]), "far away nothing changes"


def test_one_scale_for_both_changes_nothing() -> None:
    source = np.sin(np.arange(60) / 3) * 0.05
    fallen = np.full((12, 2), 0.04)
    assert calibrate.amplitude(source, source * 0.8, np.arange(12.0), fallen) == pytest.approx(0.8)


def test_a_face_on_which_more_is_read_does_not_move_more() -> None:
    source = np.sin(np.arange(60) / 3) * 0.05
    fallen = np.tile([0.02, 0.04], (12, 1))
    assert calibrate.amplitude(source, source * 2, np.arange(12.0), fallen) == pytest.approx(1.0)


def test_a_movement_that_is_too_large_stays_too_large() -> None:
    source = np.sin(np.arange(60) / 3) * 0.05
    fallen = np.full((12, 2), 0.04) + np.random.default_rng(1).normal(0, 0.002, (12, 2))
    assert calibrate.amplitude(source, source * 1.5, np.arange(12.0), fallen) == pytest.approx(1.5, rel=0.05)


def test_scales_come_from_what_is_open() -> None:
    source = np.sin(np.arange(60) / 3) * 0.05
    fallen = np.array([[0.0, 0.03]] * 8 + [[0.03, 0.03]] * 8)
    assert calibrate.amplitude(source, source, np.arange(16.0), fallen) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("openings", "fallen"),
    [(np.zeros(0), np.zeros((0, 2))), (np.arange(12.0), np.full((12, 2), 0.005)), (np.arange(6.0), np.ones((6, 2)))],
)
def test_without_a_scale_there_is_no_figure(openings: np.ndarray, fallen: np.ndarray) -> None:
    source = np.sin(np.arange(60) / 3) * 0.05
    assert calibrate.amplitude(source, source, openings, fallen) is None
