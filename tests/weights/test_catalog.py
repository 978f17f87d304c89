import re

from ugclab.weights.catalog import CATALOG, UrlSource, WheelSource


def test_entries_are_complete() -> None:
    for name, file in CATALOG.items():
        assert name == file.name
        assert re.fullmatch(r"[a-z]+/[a-z_]+\.tflite", name)
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.size_bytes > 200_000
        assert file.licence == "Apache-2.0"
        url, wheel = file.sources
        assert isinstance(url, UrlSource)
        assert url.url.startswith("https://")
        assert isinstance(wheel, WheelSource)
        assert wheel.member.endswith(name.removeprefix("mediapipe"))


def test_hashes_differ() -> None:
    assert len({file.sha256 for file in CATALOG.values()}) == len(CATALOG)
