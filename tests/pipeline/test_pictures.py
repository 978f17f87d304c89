"""Pictures at given instants: the one a player shows, by one pass or by seeking."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.clips import make_clip, read_number
from tests.face_clips import number_of, write_clip
from ugclab.errors import MediaError
from ugclab.media.images import frame_rgb
from ugclab.media.probe import probe
from ugclab.pipeline.moments import frame_at, pictures_at


@pytest.mark.parametrize("keyint", [5, 50])
def test_both_ways_show_what_a_player_shows(keyint: int, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", keyint=keyint)
    info = probe(path)
    times = [Fraction(t) for t in ("0", "0.039", "0.04", "1.01", "1.99")]
    frames = [frame_at(path, info, time, tone_map=False) for time in times]
    assert [number_of(f.y) for f in frames] == [0, 0, 1, 25, 49]
    for frame, picture in zip(frames, pictures_at(path, info, times), strict=True):
        assert np.array_equal(frame_rgb(frame), picture)


@pytest.mark.parametrize("gop", [5, 50])
def test_coarse_ticks_show_no_later_picture(gop: int, tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=50, rate=25, gop=gop, sounds=())
    info = probe(path)
    assert info.time_base == Fraction(1, 25)
    times = [Fraction(t) for t in ("0", "0.039", "0.04", "1.01", "1.03", "1.9")]
    for time, picture in zip(times, pictures_at(path, info, times), strict=True):
        frame = frame_at(path, info, time, tone_map=False)
        assert read_number(frame.y) == int(time * 25)
        assert np.array_equal(frame_rgb(frame), picture)


def test_an_instant_before_the_first_picture_is_an_error(clip: Path) -> None:
    info = probe(clip)
    with pytest.raises(MediaError, match="shows no picture"):
        frame_at(clip, info.model_copy(update={"start": info.start - 1}), Fraction(0), tone_map=False)
