"""The judge on the packaged sample: what was done to the clip must show in the scores, and nothing else."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from sample_media.make_sample import FPS, SEED
from sample_media.motion import blinks
from ugclab.sample import AVATAR, CLIP
from ugclab.settings import Settings
from ugclab.weights.hub import verify

pytest.importorskip("dlib", reason="the extra 'quality' is not installed")

from benchmarks.judge import MODELS, Judge

pytestmark = pytest.mark.slow
FRAMES = 60
FACE = np.s_[170:500, 470:760]
"""Where the sample's face is during its first seconds, rows and columns."""

Planes = NDArray[np.uint8]


@pytest.fixture(scope="module")
def judge() -> Judge:
    folder = Settings().weights_dir
    if any(status.state != "ok" for status in verify(MODELS, folder)):
        pytest.skip("the model files are not here: ugclab models pull")
    return Judge(folder)


def rewrite(path: Path, change: Callable[[int, Planes], Planes | None], *, grey: bool = False) -> Path:
    """Write the sample's first frames with their luma changed; None leaves a frame out."""
    with av.open(str(CLIP)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, width=1280, height=720, pix_fmt="yuv420p")
        stream.codec_context.options = {"qp": "0", "preset": "ultrafast"}
        for number, frame in enumerate(source.decode(video=0)):
            if number == FRAMES:
                break
            planes = frame.to_ndarray()
            luma = change(number, planes[:720].copy())
            if luma is None:
                continue
            planes[:720] = luma
            if grey:
                planes[720:] = 128
            copy = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            copy.pts, copy.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(copy))
        out.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rewrite(tmp_path_factory.mktemp("judge") / "source.mp4", lambda _, luma: luma)


def darken(luma: Planes) -> Planes:
    luma[FACE] = luma[FACE] * 0.8
    return luma


def test_untouched_clip_has_no_swapped_frame(judge: Judge, source: Path) -> None:
    scores = judge.measure(source, source, AVATAR, [(Fraction(0), Fraction(1))])
    assert (scores.frames, scores.faces, scores.swapped, scores.missing_frames) == (25, 25, 0, 0)
    assert scores.exact_elsewhere == 1
    assert scores.identity_mean is None


def test_darker_face_is_the_same_face(judge: Judge, source: Path, tmp_path: Path) -> None:
    result = rewrite(tmp_path / "dark.mp4", lambda _, luma: darken(luma))
    scores = judge.measure(source, result, AVATAR, every=4)
    assert scores.swapped == FRAMES
    assert scores.identity_mean == pytest.approx(scores.identity_before, abs=0.06)
    assert scores.identity_nearer == 0
    assert scores.mouth_amplitude_scaled == pytest.approx(1, abs=0.15)
    assert scores.eyes_amplitude_scaled == pytest.approx(1, abs=0.15)
    assert scores.mouth > 0.97
    assert scores.mouth_68 > 0.97
    assert scores.mouth_amplitude == pytest.approx(1, abs=0.1)
    assert scores.jitter == pytest.approx(1, abs=0.2)
    assert scores.displacement_p95 < 0.01


def test_lids_are_held_against_what_the_clip_was_made_with(judge: Judge, source: Path, tmp_path: Path) -> None:
    """The sample's own blinks, drawn from its seed: both judges find them in source and result; reversed, neither."""
    lids = blinks(750, FPS, np.random.default_rng(SEED))[:FRAMES].tolist()
    result = rewrite(tmp_path / "dark.mp4", lambda _, luma: darken(luma))
    told, reverse = (tmp_path / name for name in ("told.json", "reverse.json"))
    told.write_text(json.dumps({"lids": lids}))
    reverse.write_text(json.dumps({"lids": lids[::-1]}))
    right, wrong = (judge.measure(source, result, AVATAR, every=30, truth=truth) for truth in (told, reverse))
    assert right.blinks is not None
    assert right.blinks_68 is not None
    assert min(right.blinks + right.blinks_68) > 0.8
    assert wrong.blinks is not None
    assert max(wrong.blinks) < 0.3
    assert right.wrong_face is None


def test_frozen_face_shows(judge: Judge, source: Path, tmp_path: Path) -> None:
    first: list[Planes] = []

    def freeze(_: int, luma: Planes) -> Planes:
        first.append(luma[FACE].copy())
        luma[FACE] = first[0] * 0.9
        return luma

    scores = judge.measure(source, rewrite(tmp_path / "frozen.mp4", freeze, grey=True), AVATAR, every=30)
    assert scores.mouth is None or scores.mouth < 0.5
    assert scores.mouth_amplitude < 0.5


def test_flicker_and_lost_frames_show(judge: Judge, source: Path, tmp_path: Path) -> None:
    def flicker(number: int, luma: Planes) -> Planes | None:
        if number in (10, 11, 12):
            return None
        luma[FACE] = luma[FACE] * (0.8 if number % 2 else 0.75)
        return luma

    scores = judge.measure(source, rewrite(tmp_path / "flicker.mp4", flicker), AVATAR, every=30)
    assert scores.missing_frames == 3
    assert scores.flicker > 3
    assert scores.swapped == FRAMES - 3
