"""The packaged sample is what it says it is: H.264 that can be stitched without loss, a face throughout, labelled."""

from fractions import Fraction

import av
import cv2

from ugclab.sample import AVATAR, CLIP


def test_clip_is_ordinary_video() -> None:
    with av.open(str(CLIP)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.profile, video.format.name) == ("h264", "High", "yuv420p")
        assert (video.width, video.height, video.average_rate) == (1280, 720, Fraction(25))
        assert audio.codec_context.name == "aac"
        keys = [packet.pts * packet.time_base for packet in container.demux(video) if packet.pts is not None
                and packet.is_keyframe]  # fmt: skip
    assert keys == [2 * i for i in range(15)], "groups of two seconds: a cut on an even second is free"


def test_clip_is_short_and_small() -> None:
    with av.open(str(CLIP)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 750
    assert CLIP.stat().st_size < 4_000_000


def test_clip_says_it_is_synthetic() -> None:
    with av.open(str(CLIP)) as container:
        assert "Synthetic" in container.metadata["comment"]


def test_avatar_is_a_portrait() -> None:
    picture = cv2.imread(str(AVATAR))
    assert min(picture.shape[:2]) >= 400
