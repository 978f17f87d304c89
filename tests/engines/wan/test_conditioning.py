"""Streams for the resident engine from our own tracker: what is drawn, what is given, and the face."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.face_clips import face_patch
from ugclab.engines.base import Analysis, Monitor, SegmentContext, Source
from ugclab.engines.clips.crop import Crop, choose
from ugclab.engines.clips.looking import Lookout, Sight, sights
from ugclab.engines.clips.timing import Sampling, sample
from ugclab.engines.wan_diffusers.conditioning import FACE_PX, Streams, pose, streams
from ugclab.engines.wan_diffusers.engine import WanDiffusers
from ugclab.errors import UgclabError
from ugclab.media.probe import probe
from ugclab.schema.job import ReplaceMode, SwapOptions
from ugclab.schema.media import TimeRange
from ugclab.settings import Settings
from ugclab.weights import hub

SPAN = TimeRange(start=Fraction(0), end=Fraction(2))


@pytest.fixture
def segment(clip: Path, tmp_path: Path) -> SegmentContext:
    settings = Settings()
    try:
        hub.ensure(WanDiffusers.info.weights, settings.weights_dir, offline=settings.offline)
    except UgclabError as error:
        pytest.skip(f"no model files: {error}")
    source, options = Source(clip, probe(clip)), SwapOptions()
    lookout = Lookout(settings.weights_dir)
    found: Analysis = lookout.analyse(source, (SPAN,), face_patch(256), options, tmp_path, Monitor(), WanDiffusers.info)
    return SegmentContext(source, SPAN, face_patch(256), found, options, tmp_path)


def made(segment: SegmentContext) -> tuple[list[Sight], Sampling, Crop, Streams]:
    found = sights(segment)
    sampling = sample([sight.time for sight in found])
    heads = np.stack([sight.head.box for sight in found])
    crop = choose(ReplaceMode.HEAD, (320, 240), heads, (256, 256))
    return found, sampling, crop, streams(segment, sampling, found, crop)


def test_there_is_a_picture_of_each_kind_for_every_frame_with_a_face(segment: SegmentContext) -> None:
    found, sampling, crop, shown = made(segment)
    assert 38 <= len(found) <= 42  # ten frames of the clip show no face
    assert not [sight for sight in found if Fraction(22, 25) <= sight.time < Fraction(30, 25)]
    assert {len(s) for s in (shown.pose, shown.face, shown.background, shown.mask)} == {len(sampling.times)}
    assert {p.shape[:2] for p in (*shown.pose, *shown.background, *shown.mask)} == {crop.canvas[::-1]}
    assert {p.shape for p in shown.face} == {(FACE_PX, FACE_PX, 3)}


def test_the_background_is_the_source_where_nothing_is_drawn(segment: SegmentContext) -> None:
    _, _, _, shown = made(segment)
    for mask, background in zip(shown.mask, shown.background, strict=True):
        assert set(np.unique(mask)) == {0, 255}
        assert 0.1 < (mask > 0).mean() < 0.7
        assert not background[mask > 0].any()
        assert background[mask == 0].mean() > 40


def test_the_face_fills_its_picture(segment: SegmentContext) -> None:
    _, _, _, shown = made(segment)
    face = shown.face[5].astype(int)
    middle = face[200:300, 200:300]
    assert (middle[..., 0] - middle[..., 2]).mean() > 25  # skin
    assert face.std() > 30


def test_the_pose_shows_head_and_shoulders_where_they_are(segment: SegmentContext) -> None:
    found, _, crop, _ = made(segment)
    drawn = pose(found[0].face, crop)
    ys, xs = np.nonzero(drawn.max(2))
    nose = crop.to_canvas[:, :2] @ found[0].face[1, :2] + crop.to_canvas[:, 2]
    assert drawn[round(float(nose[1])), round(float(nose[0]))].max() > 100
    assert xs.min() < nose[0] < xs.max()
    assert ys.max() > nose[1] + 20  # neck and shoulders below
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 8
