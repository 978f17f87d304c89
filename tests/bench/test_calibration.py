"""Calibration files: the best constant wins, and a bad file says what is wrong."""

import datetime
import json
from pathlib import Path

import pytest

from tests.conftest import ROOT
from ugclab.bench.calibration import Calibration, Calibrations, Constant, load_calibrations, read_calibration
from ugclab.errors import InputError


def file(value: float, provenance: str, day: str | None = None, device: str = "H100", kind: str = "gpu") -> Calibration:
    constant = {"value": value, "unit": "TFLOP/s", "provenance": provenance, "source": "a test"}
    return Calibration.model_validate(
        {"device": device, "kind": kind, "measured_at": day, "constants": {"fp8.linear": constant}}
    )


@pytest.mark.parametrize(
    ("files", "best"),
    [
        ((file(1, "assumed"), file(2, "published")), 2),
        ((file(1, "measured", "2026-01-01"), file(2, "published")), 1),
        ((file(1, "measured", "2026-11-20"), file(2, "measured", "2026-11-21"), file(3, "measured", "2026-01-01")), 2),
        ((file(1, "assumed"), file(2, "assumed", device="any", kind="any")), 1),
    ],
)
def test_measured_before_published_before_assumed_then_the_newest(files: tuple[Calibration, ...], best: float) -> None:
    for order in (files, files[::-1]):
        assert Calibrations(files=order).gpu("NVIDIA H100 80GB HBM3")["fp8.linear"] == best


def test_what_was_asked_for_is_remembered() -> None:
    constants = Calibrations(files=(file(2, "published"),)).gpu("h100")
    assert constants["fp8.linear"] == 2
    assert constants.used["fp8.linear"].provenance == "published"
    assert constants.fresh().used == {}
    with pytest.raises(InputError, match=r"'vae' of H100 is not known"):
        constants["vae"]


def test_of_cpus_the_same_model_is_taken_else_the_latest() -> None:
    old, new = file(1, "measured", "2026-01-01", "Xeon", "cpu"), file(2, "measured", "2026-11-01", "EPYC", "cpu")
    both = Calibrations(files=(old, new))
    assert (both.cpu("Xeon").device, both.cpu("EPYC").device, both.cpu("Z80").device) == ("Xeon", "EPYC", "EPYC")


def test_unknown_gpus() -> None:
    with pytest.raises(InputError, match="no rates are known for the GPU 'H101'") as raised:
        load_calibrations().gpu("H101")
    assert "H100" in raised.value.hint


def test_the_packaged_files_are_those_of_benchmarks() -> None:
    packaged = {p.name: p.read_bytes() for p in (ROOT / "ugclab/bench/data/calibration").glob("*.json")}
    assert len(packaged) >= 11
    assert {p.name: p.read_bytes() for p in (ROOT / "benchmarks/calibration").glob("*.json")} == packaged
    for name, text in packaged.items():
        read = read_calibration(text.decode(), name)
        measured = [c for c in read.constants.values() if c.provenance == "measured"]
        assert bool(measured) == (read.measured_at is not None), name
        assert all(c.source and c.value >= (0 if read.kind == "cpu" else 1e-9) for c in read.constants.values()), name


def test_ones_own_files_are_added(tmp_path: Path) -> None:
    (tmp_path / "calibration").mkdir()
    own = file(700, "measured", "2026-11-21")
    (tmp_path / "calibration/h100-mine.json").write_text(own.model_dump_json())
    constants = load_calibrations(tmp_path).gpu("H100")
    assert constants["fp8.linear"] == 700
    assert constants["sage.attention"] > 0


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "is no calibration file"),
        ("[]", "is no calibration file"),
        ('{"schema_version": 2}', "schema_version 2, this ugclab reads 1"),
        ('{"schema_version": 1, "device": "H100", "kind": "gpu"}', "constants: Field required"),
        (
            json.dumps(
                {"schema_version": 1, "device": "H", "kind": "gpu", "constants": {"vae": {"value": 1, "unit": ""}}}
            ),
            "constants.vae.provenance",
        ),
    ],
)
def test_bad_files(document: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_calibration(document, "h100.json")


def test_a_constant_says_where_it_comes_from() -> None:
    assert datetime.date.fromisoformat("2026-11-21") == file(1, "measured", "2026-11-21").measured_at
    with pytest.raises(ValueError, match="guessed"):
        Constant.model_validate({"value": 1, "unit": "", "provenance": "guessed", "source": ""})
