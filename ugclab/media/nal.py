"""Network abstraction layer units of H.264 and H.265: splitting, naming, parameter sets. Pure functions on bytes.

Clause numbers are those of ITU-T H.264 (08/2021) and H.265 (08/2021); avcC and hvcC are ISO/IEC 14496-15.
"""

from collections.abc import Iterator
from dataclasses import dataclass

H264_IDR, H264_SEI, H264_SPS, H264_PPS, H264_AUD = 5, 6, 7, 8, 9
HEVC_RASL = frozenset({8, 9})
HEVC_IDR = frozenset({19, 20})
HEVC_CRA = 21
_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


def split_annex_b(data: bytes) -> Iterator[bytes]:
    """The units between the start codes 00 00 01 (Annex B), without trailing zero bytes."""
    position = data.find(b"\0\0\1")
    while position >= 0:
        following = data.find(b"\0\0\1", position + 3)
        unit = data[position + 3 : following if following >= 0 else len(data)].rstrip(b"\0")
        if unit:
            yield unit
        position = following


def split_prefixed(data: bytes, length_size: int) -> Iterator[bytes]:
    """The units of a packet as mp4 and Matroska hold it: each with its length before it, big-endian."""
    position = 0
    while position + length_size < len(data):
        size = int.from_bytes(data[position : position + length_size], "big")
        position += length_size
        if size and position + size <= len(data):
            yield data[position : position + size]
        position += size


def unit_types(data: bytes, length_size: int, *, hevc: bool = False) -> list[int]:
    """Types of a packet's units, in order; `length_size` 0 means Annex B."""
    units = split_prefixed(data, length_size) if length_size else split_annex_b(data)
    return [(unit[0] >> 1) & 0x3F if hevc else unit[0] & 0x1F for unit in units]


def to_prefixed(data: bytes, *, without: int | None = None) -> bytes:
    """An Annex B packet with four-byte lengths instead of start codes; `without` leaves an H.264 unit type out."""
    units = (unit for unit in split_annex_b(data) if without is None or unit[0] & 0x1F != without)
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


class _Bits:
    """Reads a raw byte sequence payload bit by bit. Raises ValueError past its end."""

    def __init__(self, unit: bytes, skip: int) -> None:
        payload = unit[skip:].replace(b"\0\0\3", b"\0\0")  # emulation prevention, 7.4.1
        self._value = int.from_bytes(payload, "big")
        self._left = 8 * len(payload)

    def u(self, count: int) -> int:
        """An unsigned number of `count` bits."""
        if count > self._left:
            raise ValueError("a parameter set ends early")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def ue(self) -> int:
        """An unsigned Exp-Golomb number (9.1)."""
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 32:
                raise ValueError("a parameter set holds no number where one is due")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """A signed Exp-Golomb number (9.1.1)."""
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)


@dataclass(frozen=True, slots=True)
class Sps:
    """What stitching needs of an H.264 sequence parameter set (7.3.2.1.1)."""

    id: int
    profile_idc: int
    constraints: int
    level_idc: int
    chroma_format_idc: int
    bit_depth: int
    refs: int
    width_mbs: int
    height_map_units: int
    progressive: bool
    crop: tuple[int, int, int, int]


def parse_sps(unit: bytes) -> Sps:
    """Read an H.264 sequence parameter set, its header byte included. Raises ValueError."""
    bits = _Bits(unit, 1)
    profile_idc, constraints, level_idc, sps_id = bits.u(8), bits.u(8), bits.u(8), bits.ue()
    chroma_format_idc, bit_depth = 1, 8
    if profile_idc in _HIGH_PROFILES:
        chroma_format_idc = bits.ue()
        if chroma_format_idc == 3:
            bits.u(1)
        bit_depth = 8 + max(bits.ue(), bits.ue())
        bits.u(1)
        if bits.u(1):
            for index in range(12 if chroma_format_idc == 3 else 8):
                if bits.u(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    bits.ue()
    order_type = bits.ue()
    if order_type == 0:
        bits.ue()
    elif order_type == 1:
        bits.u(1)
        bits.se()
        bits.se()
        for _ in range(bits.ue()):
            bits.se()
    refs = bits.ue()
    bits.u(1)
    width_mbs, height_map_units = bits.ue() + 1, bits.ue() + 1
    progressive = bool(bits.u(1))
    if not progressive:
        bits.u(1)
    bits.u(1)
    crop = (bits.ue(), bits.ue(), bits.ue(), bits.ue()) if bits.u(1) else (0, 0, 0, 0)
    return Sps(
        id=sps_id,
        profile_idc=profile_idc,
        constraints=constraints,
        level_idc=level_idc,
        chroma_format_idc=chroma_format_idc,
        bit_depth=bit_depth,
        refs=refs,
        width_mbs=width_mbs,
        height_map_units=height_map_units,
        progressive=progressive,
        crop=crop,
    )


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = scale = 8
    for _ in range(size):
        if scale:
            scale = (last + bits.se()) % 256
        last = scale or last


def pps_id(unit: bytes) -> int:
    """Number of an H.264 picture parameter set (7.3.2.2)."""
    return _Bits(unit, 1).ue()


@dataclass(frozen=True, slots=True)
class ParameterSets:
    """An H.264 stream's sequence and picture parameter sets, each a unit with its header byte."""

    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]
    length_size: int = 4

    @property
    def ids(self) -> set[int]:
        """All numbers in use, of both kinds: an encoder gives both its sets the same one."""
        return {parse_sps(unit).id for unit in self.sps} | {pps_id(unit) for unit in self.pps}

    def merge(self, other: "ParameterSets") -> "ParameterSets":
        """Both, each distinct set once. Raises ValueError where one number would mean two things."""
        sps = {parse_sps(unit).id: unit for unit in self.sps}
        pps = {pps_id(unit): unit for unit in self.pps}
        for unit in other.sps:
            if sps.setdefault(parse_sps(unit).id, unit) != unit:
                raise ValueError(f"two different sequence parameter sets are both number {parse_sps(unit).id}")
        for unit in other.pps:
            if pps.setdefault(pps_id(unit), unit) != unit:
                raise ValueError(f"two different picture parameter sets are both number {pps_id(unit)}")
        return ParameterSets(tuple(sps.values()), tuple(pps.values()), self.length_size)

    def to_avcc(self) -> bytes:
        """The AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1); profile and level are the first set's."""
        first = parse_sps(self.sps[0])
        levels = max(parse_sps(unit).level_idc for unit in self.sps)
        record = bytes([1, first.profile_idc, first.constraints, levels, 0xFC | (self.length_size - 1)])
        record += bytes([0xE0 | len(self.sps)]) + b"".join(len(unit).to_bytes(2, "big") + unit for unit in self.sps)
        record += bytes([len(self.pps)]) + b"".join(len(unit).to_bytes(2, "big") + unit for unit in self.pps)
        if first.profile_idc in _HIGH_PROFILES:
            record += bytes(
                [0xFC | first.chroma_format_idc, 0xF8 | (first.bit_depth - 8), 0xF8 | (first.bit_depth - 8), 0]
            )
        return record


def read_parameter_sets(extradata: bytes) -> ParameterSets:
    """Parameter sets from an avcC record or from Annex B. Raises ValueError if there are none."""
    sps: list[bytes] = []
    pps: list[bytes] = []
    length_size = 0
    if extradata[:1] == b"\1" and len(extradata) > 6:
        length_size = (extradata[4] & 3) + 1
        position = 5
        for found, mask in ((sps, 0x1F), (pps, 0xFF)):
            if position >= len(extradata):
                raise ValueError("the decoder configuration ends early")
            count = extradata[position] & mask
            position += 1
            for _ in range(count):
                size = int.from_bytes(extradata[position : position + 2], "big")
                found.append(extradata[position + 2 : position + 2 + size])
                position += 2 + size
    else:
        for unit in split_annex_b(extradata):
            if unit[0] & 0x1F == H264_SPS:
                sps.append(unit)
            elif unit[0] & 0x1F == H264_PPS:
                pps.append(unit)
    if not all(sps) or not all(pps) or not sps or not pps:
        raise ValueError("no parameter sets")
    return ParameterSets(tuple(sps), tuple(pps), length_size)


def hevc_length_size(extradata: bytes) -> int:
    """Bytes of a unit's length by an hvcC record (ISO/IEC 14496-15, 8.3.3.1); 0 for Annex B."""
    return (extradata[21] & 3) + 1 if extradata[:1] == b"\1" and len(extradata) > 22 else 0
