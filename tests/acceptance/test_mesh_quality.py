"""Does it look right? Three seconds of the sample are swapped as a user would, and judged by independent oracles.

The bounds are those of benchmarks.quality, a little wider where three seconds are few.
"""

from fractions import Fraction
from pathlib import Path

import pytest

import ugclab
from ugclab.errors import UgclabError
from ugclab.sample import AVATAR, CLIP
from ugclab.settings import Settings

pytest.importorskip("dlib", reason="the extra 'quality' is not installed: pip install -e '.[quality]'")

from benchmarks.judge import MODELS, Judge
from benchmarks.scores import QualityScores
from ugclab.weights import hub

pytestmark = pytest.mark.slow
FRAMES = 75


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> QualityScores:
    folder = tmp_path_factory.mktemp("acceptance")
    settings = Settings(data_dir=folder / "data")
    try:
        hub.ensure(MODELS, settings.weights_dir, offline=settings.offline, mirror=settings.weights_mirror)
    except UgclabError as error:
        pytest.skip(f"no model files: {error}")
    out: Path = folder / "out.mp4"
    report = ugclab.swap(CLIP, AVATAR, out=out, plan="0-3:swap", settings=settings)
    assert sum(outcome.swapped_frames for outcome in report.outcomes) == FRAMES
    return Judge(settings.weights_dir).measure(CLIP, out, AVATAR, [(Fraction(0), Fraction(3))], every=5)


def test_every_frame_is_swapped_and_no_other(scores: QualityScores) -> None:
    assert (scores.frames, scores.faces, scores.swapped, scores.missing_frames) == (FRAMES, FRAMES, FRAMES, 0)
    bridge = 25  # from 3 s to the keyframe at 4 s
    assert scores.exact_elsewhere == pytest.approx(1 - bridge / (750 - FRAMES), abs=1e-6)


def test_it_is_the_avatar(scores: QualityScores) -> None:
    assert scores.identity_before is not None
    assert scores.identity_before > 0.6, "source and avatar are two people, or nothing is tested"
    assert scores.identity_mean <= 0.55
    assert scores.identity_nearer >= 0.9


def test_it_speaks_as_the_wearer_does(scores: QualityScores) -> None:
    assert scores.mouth_68 >= 0.8
    assert scores.mouth >= 0.85


def test_it_neither_shakes_nor_flickers_nor_slips(scores: QualityScores) -> None:
    assert scores.jitter <= 1.25
    assert 0.8 <= scores.flicker <= 1.15
    assert scores.displaced == 0
