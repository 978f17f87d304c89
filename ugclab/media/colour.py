"""Names of colour code points (ITU-T H.273) as FFmpeg writes them, and back."""

from typing import Any

from ugclab.schema.media import Colour

PRIMARIES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
    10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213",
}  # fmt: skip
TRANSFERS = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100", 10: "log316",
    11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084",
    17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
MATRICES = {
    0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020nc",
    10: "bt2020c", 11: "smpte2085", 12: "chroma-derived-nc", 13: "chroma-derived-c", 14: "ictcp",
}  # fmt: skip
UNSPECIFIED = 2
FULL_RANGE, LIMITED_RANGE, UNSPECIFIED_RANGE = 2, 1, 0
BT709 = Colour(primaries="bt709", transfer="bt709", matrix="bt709")


def code_point(names: dict[int, str], name: str) -> int:
    """The number of a name; 2, unspecified, for one that is not there."""
    return next((number for number, known in names.items() if known == name), UNSPECIFIED)


def read_colour(coded: Any, pixel_format: str, bit_depth: int) -> Colour:
    """Colour of a decoder context or a decoded frame."""
    return Colour(
        primaries=PRIMARIES.get(int(coded.color_primaries), "unknown"),
        transfer=TRANSFERS.get(int(coded.color_trc), "unknown"),
        matrix=MATRICES.get(int(coded.colorspace), "unknown"),
        full_range=int(coded.color_range) == FULL_RANGE or pixel_format.startswith("yuvj"),
        bit_depth=bit_depth,
    )


def write_colour(coded: Any, colour: Colour) -> None:
    """Tag an encoder context or a frame; footage that says nothing of its colour is left saying nothing."""
    coded.color_primaries = code_point(PRIMARIES, colour.primaries)
    coded.color_trc = code_point(TRANSFERS, colour.transfer)
    coded.colorspace = code_point(MATRICES, colour.matrix)
    silent = {colour.primaries, colour.transfer, colour.matrix} == {"unknown"}
    coded.color_range = FULL_RANGE if colour.full_range else UNSPECIFIED_RANGE if silent else LIMITED_RANGE
