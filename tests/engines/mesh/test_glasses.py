"""Glasses are told by their bridge: on a photograph, drawn onto a face, at any size and roll."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.engines.mesh.conftest import Models
from tests.engines.mesh.people import Actor, find, wall
from tests.engines.mesh.test_records import face
from ugclab.engines.mesh import findings, glasses
from ugclab.engines.mesh.avatar import prepare
from ugclab.engines.mesh.records import Recorder, Records
from ugclab.engines.mesh.sampling import Still
from ugclab.media.images import read_image
from ugclab.media.probe import probe
from ugclab.sample import AVATAR, CLIP


@pytest.mark.parametrize(("size", "roll"), [(90.0, 0.0), (180.0, 0.35), (260.0, -0.2)])
def test_with_and_without(models: Models, talker: Actor, officer: Actor, size: float, roll: float) -> None:
    lines = []
    for actor in (talker, officer):
        canvas = wall(640, 640)
        actor.play(canvas, 320, 320, size, roll=roll)
        lines.append(glasses.bridge(Still.from_rgb(canvas), find(canvas, *models)))
    assert lines[0] < glasses.MIN_LINE < glasses.MIN_LINE_STILL < lines[1]


def test_a_thin_bridge_drawn_on_a_face(models: Models, talker: Actor) -> None:
    canvas = wall(640, 640)
    talker.play(canvas, 320, 320, 220)
    points = find(canvas, *models)
    bare = glasses.bridge(Still.from_rgb(canvas), points)
    inner = np.rint(points[[133, 362], :2]).astype(int).tolist()
    cv2.line(canvas, inner[0], inner[1], (90, 80, 75), 3, cv2.LINE_AA)
    assert glasses.bridge(Still.from_rgb(canvas), points) > max(3 * bare, glasses.MIN_LINE)


def test_a_clip_is_judged_by_many_views() -> None:
    none, few = np.full(40, np.nan, np.float32), np.full(40, np.nan, np.float32)
    few[:2] = 20
    assert not glasses.worn(none)
    assert not glasses.worn(few)
    assert glasses.worn(np.array([np.nan, 0.5, 9, np.nan, 8], np.float32))
    assert not glasses.worn(np.array([0.5, 0.5, 20], np.float32))


def test_the_avatar_says_so(models: Models) -> None:
    assert any("wears glasses" in warning for warning in prepare(read_image(AVATAR), *models).warnings)


@pytest.mark.parametrize(("line", "count"), [(10.0, 1), (0.8, 0)])
def test_the_analysis_says_so(tmp_path: Path, line: float, count: int) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.begin_range()
        for frame in range(40):
            recorder.begin_frame(frame)
            recorder.add(0, face(300), bridge=line if frame % 10 == 0 else np.nan)
    told = findings.warnings([], [[0]], Records(tmp_path), probe(CLIP))
    assert sum("wear glasses" in warning for warning in told) == count
