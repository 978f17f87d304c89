import re

from ugclab.engines.registry import catalogue
from ugclab.weights.catalog import CATALOG, UrlSource, WheelSource


def test_entries_are_complete() -> None:
    for name, file in CATALOG.items():
        assert name == file.name
        assert re.fullmatch(r"[a-z]+/[a-z0-9_]+\.(tflite|onnx)", name)
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.size_bytes > 200_000
        assert file.sources


def test_whoever_names_a_file_is_named_by_it() -> None:
    for engine in catalogue():
        for name in engine.info.weights:
            assert engine.info.name in CATALOG[name].used_by


def test_what_is_bound_by_terms_is_not_for_commerce() -> None:
    bound = {name for name, file in CATALOG.items() if file.terms}
    assert bound == {"insightface/w600k_r50.onnx", "insightface/inswapper_128.onnx"}
    for engine in catalogue():
        if bound & set(engine.info.weights):
            assert engine.info.commercial_use == "no"
            assert CATALOG["insightface/w600k_r50.onnx"].licence in engine.info.licences.weights


def test_mediapipes_come_from_two_places() -> None:
    for name, file in CATALOG.items():
        if not name.startswith("mediapipe/"):
            continue
        assert file.licence == "Apache-2.0"
        url, wheel = file.sources
        assert isinstance(url, UrlSource)
        assert url.url.startswith("https://")
        assert isinstance(wheel, WheelSource)
        assert wheel.member.endswith(name.removeprefix("mediapipe"))


def test_hashes_differ() -> None:
    assert len({file.sha256 for file in CATALOG.values()}) == len(CATALOG)
