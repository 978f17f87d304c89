"""Glasses are told by their bridge: on a photograph, drawn onto a face, at any size and roll."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.engines.mesh.conftest import Models
from tests.engines.mesh.people import Actor, find, wall
from tests.engines.mesh.test_records import face
from ugclab.engines.mesh import findings, glasses, shape
from ugclab.engines.mesh.avatar import prepare
from ugclab.engines.mesh.findings import Eyewear
from ugclab.engines.mesh.records import Recorder, Records
from ugclab.engines.mesh.sampling import Still
from ugclab.engines.mesh.spectacles import Views
from ugclab.engines.mesh.topology import LEFT_EYE, RIGHT_EYE
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
    assert lines[0] / glasses.LINES < glasses.ENOUGH / 2
    assert lines[1] / glasses.LINES > glasses.ENOUGH
    assert lines[1] > glasses.MIN_LINE_STILL


def test_a_thin_bridge_drawn_on_a_face(models: Models, talker: Actor) -> None:
    canvas = wall(640, 640)
    talker.play(canvas, 320, 320, 220)
    points = find(canvas, *models)
    bare = glasses.bridge(Still.from_rgb(canvas), points)
    inner = np.rint(points[[133, 362], :2]).astype(int).tolist()
    cv2.line(canvas, inner[0], inner[1], (90, 80, 75), 3, cv2.LINE_AA)
    assert glasses.bridge(Still.from_rgb(canvas), points) > max(3 * bare, glasses.ENOUGH * glasses.LINES)


def test_rims_are_told_without_a_bridge(models: Models, talker: Actor) -> None:
    """Rims a pixel thin and little darker than skin: their bridge's line is as weak as a bare nose's."""
    bare, worn = Views(), Views()
    poses, lines = [], []
    for number in range(6):
        canvas = wall(640, 640)
        talker.play(canvas, 310 + 4 * number, 320, 250 + 5 * number, roll=0.02 * number)
        points = find(canvas, *models)
        bare.add(1, Still.from_rgb(canvas), points)
        drawn = canvas.copy()
        for ring, side in ((RIGHT_EYE, -1), (LEFT_EYE, 1)):
            x, y = np.rint(points[ring, :2].mean(0) + np.array([3 * side, 9])).astype(int).tolist()
            cv2.ellipse(drawn, (x, y), (41, 34), 0, 0, 360, (95, 80, 75), 1, cv2.LINE_AA)
        worn.add(1, Still.from_rgb(drawn), points)
        poses.append(points)
        lines.append(glasses.bridge(Still.from_rgb(drawn), points))
    rest = shape.neutral(np.stack(poses))
    seen = np.array(lines, np.float32)
    without, rims = bare.look([1], rest), worn.look([1], rest)
    assert without is not None
    assert rims is not None
    assert not glasses.worn(seen, without.rims)
    assert glasses.worn(seen, rims.rims)


def test_a_clip_is_judged_by_many_views() -> None:
    none, few = np.full(40, np.nan, np.float32), np.full(40, np.nan, np.float32)
    few[:2] = 2
    assert not glasses.worn(none, 1.0), "nobody looked"
    assert glasses.worn(np.full(3, 2, np.float32), 0.25)
    assert not glasses.worn(few, 0.25), "a moment has to be clearer"
    assert glasses.worn(few, 0.5)
    assert glasses.worn(np.array([np.nan, 0.5, 9, np.nan, 8], np.float32), 0.0)
    assert not glasses.worn(np.array([0.5, 0.5, 20], np.float32), 0.0)
    assert glasses.worn(np.array([1.5, 1.5, 1.5], np.float32), 0.5), "a pale bridge between clear rims"
    assert not glasses.worn(np.array([1.9, 1.9, 1.9], np.float32), 0.1), "a frown over bags"


def test_the_avatar_says_so(models: Models) -> None:
    assert any("wears glasses" in warning for warning in prepare(read_image(AVATAR), *models).warnings)


@pytest.mark.parametrize(("line", "rims", "worn"), [(10.0, 0.0, True), (1.0, 0.6, True), (1.0, 0.1, False)])
def test_the_analysis_s_own_views(tmp_path: Path, line: float, rims: float, worn: bool) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.begin_range()
        for frame in range(40):
            recorder.begin_frame(frame)
            recorder.add(0, face(300), bridge=line if frame % 10 == 0 else np.nan)
    assert findings.wears_glasses(Records(tmp_path).index, rims) is worn


@pytest.mark.parametrize(
    ("worn", "says"),
    [
        (Eyewear.KEPT, "face behind them"),
        (Eyewear.KEPT_WHOLE, "what is inside them"),
        (Eyewear.COVERED, "stumps of the arms"),
        (None, None),
    ],
)
def test_the_analysis_says_what_will_be_seen(tmp_path: Path, worn: Eyewear | None, says: str | None) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.begin_range()
        for frame in range(40):
            recorder.begin_frame(frame)
            recorder.add(0, face(300))
    told = [w for w in findings.warnings([], [[0]], Records(tmp_path), probe(CLIP), [worn]) if "glasses" in w]
    assert [says in warning for warning in told if says] == ([True] if says else [])
    assert len(told) == (says is not None)
