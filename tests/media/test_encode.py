"""The encoder factory: pieces of one video share their parameter sets; HDR keeps its metadata; times survive."""

from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.clips import make_clip
from ugclab.errors import MediaError
from ugclab.media import modes, nal
from ugclab.media.encode import EncodeTarget, encode_packets, encode_segment, encoded_sample, encoder_headers
from ugclab.media.frames import read_frames
from ugclab.media.packets import scan
from ugclab.media.probe import probe
from ugclab.schema.media import Colour, TimeRange

TARGET = EncodeTarget(width=192, height=108, time_base=Fraction(1, 30), frame_rate=30, colour=Colour())
HDR = TARGET.model_copy(
    update={
        "codec": "hevc", "profile": "main10", "content_light": "1000,400",
        "colour": Colour(primaries="bt2020", transfer="smpte2084", matrix="bt2020nc", bit_depth=10),
        "mastering_display": "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)",
    }
)  # fmt: skip


@pytest.mark.parametrize("profile", ["baseline", "main", "high"])
def test_settings_that_differ_by_piece_leave_the_parameter_sets_alone(profile: str) -> None:
    target = TARGET.model_copy(update={"profile": profile})
    ours, bridge = (nal.parse_sps(nal.read_parameter_sets(encoder_headers(t)).sps[0]) for t in (target, target.bridge))
    assert (bridge.profile_idc, bridge.level_idc) == (ours.profile_idc, ours.level_idc)
    assert encoder_headers(target.model_copy(update={"crf": 30})) == encoder_headers(target)


@pytest.mark.parametrize("target", [TARGET, HDR])
@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_segments_of_any_length(tmp_path: Path, target: EncodeTarget, count: int) -> None:
    deep = {"codec": "libx265", "pixel_format": "yuv420p10le", "colour": (9, 16, 9)} if target is HDR else {}
    clip = make_clip(tmp_path / "a.mp4", frames=60, **deep)
    info = probe(clip)
    when = TimeRange(start=Fraction(1, 3), end=Fraction(1, 3) + Fraction(count, 30))
    made = encode_segment(read_frames(clip, info, when), target, tmp_path / "s.mp4")
    assert made.frames == count
    assert list(scan(made.path).times) == list(range(count))
    packets = list(encode_packets(read_frames(clip, info, when), target))
    assert packets[0].keyframe
    assert sorted(p.pts for p in packets) == list(range(10, 10 + count))
    with av.open(str(made.path)) as container:
        assert bytes(container.streams.video[0].codec_context.extradata or b"") == encoder_headers(target)


def test_hdr_metadata_survives(tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "a.mp4", frames=10, codec="libx265", pixel_format="yuv420p10le", colour=(9, 16, 9), sounds=(),
        options={"x265-params": f"log-level=none:master-display={HDR.mastering_display}:max-cll=1000,400"},
    )  # fmt: skip
    target = modes.full_target(clip, probe(clip), crf=18, preset="veryfast", tone_map=False)
    assert (target.mastering_display, target.content_light) == (HDR.mastering_display, HDR.content_light)
    encode_segment(read_frames(clip, probe(clip)), target, tmp_path / "s.mp4")
    again = modes.full_target(tmp_path / "s.mp4", probe(tmp_path / "s.mp4"), crf=18, preset="veryfast", tone_map=False)
    assert again.mastering_display == HDR.mastering_display
    assert again.content_light == HDR.content_light
    with encoded_sample(target) as stream:
        assert stream.codec_context.codec_tag == "hvc1"


def test_frames_that_do_not_fit(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", frames=3, size=(128, 96))
    with pytest.raises(MediaError, match="128x96 does not fit"):
        encode_segment(read_frames(clip, probe(clip)), TARGET, tmp_path / "s.mp4")
    clip = make_clip(tmp_path / "b.mp4", frames=3, pixel_format="yuv420p10le")
    with pytest.raises(MediaError, match="10 bits"):
        encode_segment(read_frames(clip, probe(clip)), TARGET, tmp_path / "s.mp4")
