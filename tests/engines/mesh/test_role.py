"""Who is worn on in which frames: gaps that are blurs are carried over, gaps that show something else are not."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.engines.mesh.conftest import Models
from tests.engines.mesh.people import Actor, Image, find, wall
from ugclab.engines.base import Analysis, Monitor, SegmentContext, Source
from ugclab.engines.mesh import shape
from ugclab.engines.mesh.avatar import prepare
from ugclab.engines.mesh.following import Part
from ugclab.engines.mesh.records import Recorder
from ugclab.engines.mesh.role import Role, wearer
from ugclab.engines.mesh.sampling import Still
from ugclab.engines.mesh.topology import Floats
from ugclab.media.frames import Frame
from ugclab.media.images import read_image
from ugclab.media.probe import probe
from ugclab.sample import AVATAR, CLIP
from ugclab.schema.job import SwapOptions
from ugclab.schema.media import TimeRange

GAP = (6, 7)
FRAMES = 12


def frame_of(picture: Image, number: int) -> Frame:
    still = Still.from_rgb(picture)
    frame = Frame.allocate(640, 400, pts=number * 512, time=Fraction(number, 25), colour=still.colour)
    frame.y[:], frame.u[:], frame.v[:] = still.y, still.u, still.v
    return frame


@pytest.fixture
def role(models: Models, talker: Actor, tmp_path: Path) -> Role:
    """Somebody who stands still, and was not found in the frames of the gap."""
    info = probe(CLIP)
    tick = int(1 / info.frame_rate / info.time_base)
    points: Floats = find(stage_of(talker), *models)
    with Recorder(tmp_path) as recorder:
        recorder.begin_range()
        for number in range(FRAMES):
            recorder.begin_frame(number * tick)
            if number not in GAP:
                recorder.add(0, points)
    analysis = Analysis(engine="mesh", engine_version="0", ranges=(), warnings=(), folder=tmp_path)
    span = TimeRange(start=Fraction(0), end=Fraction(FRAMES, 25))
    worn = prepare(read_image(AVATAR), *models)
    source = Source(CLIP, info)
    segment = SegmentContext(
        source=source,
        range=span,
        avatar=read_image(AVATAR),
        workspace=tmp_path,
        analysis=analysis,
        options=SwapOptions(),
        monitor=Monitor(),
    )
    part = Part([0], shape.neutral(points[None]), None)
    return Role(part, wearer(worn, part), segment)


def stage_of(actor: Actor) -> Image:
    canvas = wall()
    actor.play(canvas, 320, 200, 180)
    return canvas


def blurred(picture: Image) -> Image:
    return cv2.blur(picture, (41, 1))


def flash(picture: Image) -> Image:
    return np.full_like(picture, 250)


def elsewhere(picture: Image) -> Image:
    return np.ascontiguousarray(wall()[::-1])


@pytest.mark.parametrize(("change", "carried"), [(blurred, True), (flash, False), (elsewhere, False)])
def test_a_gap_is_carried_over_only_where_the_face_still_is(
    role: Role, talker: Actor, change: Callable[[Image], Image], carried: bool
) -> None:
    info = probe(CLIP)
    tick = int(1 / info.frame_rate / info.time_base)
    played = []
    for number in range(FRAMES):
        picture = stage_of(talker)
        frame = frame_of(change(picture) if number in GAP else picture, number)
        frame.pts = number * tick
        before = frame.y.copy()
        played.append(role.play(frame))
        assert played[-1] == bool((frame.y != before).any())
    assert played == [number not in GAP or carried for number in range(FRAMES)]
