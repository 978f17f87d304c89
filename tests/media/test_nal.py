"""Units and parameter sets, against what an encoder wrote."""

from contextlib import suppress
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips import make_clip
from ugclab.media import nal


@given(st.lists(st.binary(min_size=1, max_size=40).filter(lambda u: u[-1] and b"\0\0" not in u and u[0]), min_size=1))
def test_units_survive_both_forms(units: list[bytes]) -> None:
    annex_b = b"".join(b"\0\0\0\1" + unit for unit in units)
    assert list(nal.split_annex_b(annex_b)) == units
    assert list(nal.split_prefixed(nal.to_prefixed(annex_b), 4)) == units


@given(st.binary(max_size=200))
def test_nothing_but_value_error_comes_out_of_noise(data: bytes) -> None:
    list(nal.split_prefixed(data, 4))
    for read in (nal.read_parameter_sets, lambda d: nal.parse_sps(d) if d else None):
        with suppress(ValueError):
            read(data)


@pytest.mark.parametrize(("size", "refs", "level"), [((192, 108), 3, 31), ((1280, 720), 1, 40), ((66, 130), 5, 12)])
def test_sequence_parameter_set(tmp_path: Path, size: tuple[int, int], refs: int, level: int) -> None:
    clip = make_clip(
        tmp_path / "a.mp4", frames=3, size=size, b_frames=0, sounds=(), x264=f"ref={refs}:level={level}:sps-id=9"
    )
    with av.open(str(clip)) as container:
        extradata = bytes(container.streams.video[0].codec_context.extradata or b"")
    sets = nal.read_parameter_sets(extradata)
    sps = nal.parse_sps(sets.sps[0])
    assert (sps.id, sps.refs, sps.level_idc, sps.profile_idc, sps.bit_depth) == (9, refs, level, 100, 8)
    assert (sps.width_mbs, sps.height_map_units) == (-(-size[0] // 16), -(-size[1] // 16))
    assert sps.progressive
    assert sets.ids == {9}
    assert sets.to_avcc() == extradata
    with pytest.raises(ValueError, match="number 9"):
        sets.merge(nal.ParameterSets((sets.sps[0][:-1] + b"\x55",), ()))
