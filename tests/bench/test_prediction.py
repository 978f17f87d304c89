"""The simple model against the facts' table, torch's count against the formula, and the better model against what is
published: the committed results are what the code makes, and no constant was fitted to a row it is judged on."""

import json
from typing import Any

import pytest

from benchmarks import flops, prediction
from tests.conftest import ROOT
from ugclab.bench.calibration import Constants, load_calibrations
from ugclab.bench.rates import forward_s, memory_gb, rates_of
from ugclab.errors import InputError
from ugclab.wan.arithmetic import Work, estimate, find_gpu, forward_work, gpus, tokens

LOW, CROP, HIGH = (832, 464), (512, 512), (1280, 720)
COLUMNS = ((LOW, 30, 20), (LOW, 30, 4), (LOW, 16, 4), (CROP, 30, 4), (CROP, 16, 4), (HIGH, 30, 4))
TABLE = {  # facts, section 5: seconds and dollars of two 5 s segments; serverless $/s, a pod's where there is none
    "H200": ((458, 0.71), (143, 0.22), (82, 0.13), (119, 0.19), (70, 0.11), (273, 0.42)),
    "H100": ((458, 0.53), (143, 0.17), (82, 0.10), (119, 0.14), (70, 0.08), (273, 0.32)),
    "A100": ((908, 0.69), (262, 0.20), (146, 0.11), (195, 0.15), (110, 0.08), (651, 0.50)),
    "L40S": ((838, 0.44), (238, 0.13), (133, 0.07), (183, 0.10), (104, 0.055), (548, 0.29)),
    "RTX 4090": ((1356, 0.42), (302, 0.09), (167, 0.052), (221, 0.07), (124, 0.038), (738, 0.23)),
    "RTX 5090": ((943, 0.18), (225, 0.043), (126, 0.024), (170, 0.032), (96, 0.018), (535, 0.10)),
    "A40": ((2001, 0.68), (545, 0.19), (297, 0.10), (388, 0.13), (212, 0.07), (1493, 0.51)),
    "L4": ((3014, 0.57), (730, 0.14), (394, 0.07), (530, 0.10), (288, 0.055), (1903, 0.36)),
}


@pytest.mark.parametrize("gpu", TABLE)
def test_the_simple_model_reproduces_the_table(gpu: str) -> None:
    device = find_gpu(gpu)
    for (size, rate, steps), (seconds, usd) in zip(COLUMNS, TABLE[gpu], strict=True):
        length, frames = (77, 153) if rate == 30 else (81, 81)
        one = estimate(device, frames, *size, clip_length=length, steps=steps, fp8=steps == 4)
        found = 2 * (one.preprocess_s + one.generate_s)
        assert found == pytest.approx(seconds, rel=0.05)
        assert device.usd_s is not None
        half_a_digit = 0.0005 if usd < 0.1 and round(usd, 2) != usd else 0.005
        assert found * device.usd_s == pytest.approx(usd, rel=0.05, abs=half_a_digit)


def test_torchs_count_is_the_formula() -> None:
    document = json.loads(flops.RESULTS.read_text())
    assert [(*row["size"], row["frames"]) for row in document["rows"]] == list(flops.SIZES)
    for row in document["rows"]:
        work = forward_work(tokens(*row["size"], row["frames"]), row["frames"])
        encoder = 3.02 * row["frames"] / 77
        assert work.linear - encoder == pytest.approx(row["counted_linear_tflop"], rel=1e-3)
        assert work.attention == pytest.approx(row["counted_attention_tflop"], rel=1e-3)
        assert work.tflop == pytest.approx(row["diffusers_tflop"], rel=1e-3)


@pytest.mark.slow
def test_torch_still_counts_so() -> None:
    pytest.importorskip("torch", reason="torch is not installed: its counts are committed in benchmarks/results")
    rows = flops.compared()[:2]
    kept = json.loads(flops.RESULTS.read_text())["rows"][:2]
    for row, was in zip(rows, kept, strict=True):
        for name in ("counted_linear_tflop", "counted_attention_tflop"):
            assert row[name] == pytest.approx(was[name], rel=1e-4)


def test_the_committed_prediction_is_what_the_code_makes() -> None:
    made = prediction.judge()
    kept = json.loads((ROOT / "benchmarks/results/prediction.json").read_text())
    assert made == kept, "type: python -m benchmarks.prediction --write"
    assert prediction.PAGE.read_text() == prediction.page(prediction.PAGE.read_text(), kept)
    for name, calibration in prediction.calibrations().items():
        assert (prediction.CALIBRATION / name).read_text() == calibration.model_dump_json(indent=1) + "\n", name


def rows(use: str = "") -> list[dict[str, Any]]:
    return [row for row in prediction.published()["rows"] if use in ("", row["use"])]


def test_no_constant_was_fitted_to_a_row_it_is_judged_on() -> None:
    fitted, judged = rows("fit"), rows("judge")
    assert len(fitted) == len(prediction.UNKNOWN)
    assert {row["id"] for row in fitted}.isdisjoint(row["id"] for row in judged)
    before = prediction.fit(fitted, prediction.known())
    for changed in judged:  # were it another measurement, nothing would change
        document = [row | {"seconds": 10 * row["seconds"]} if row is changed else row for row in rows()]
        assert prediction.fit([row for row in document if row["use"] == "fit"], prediction.known()) == before


def test_the_better_model_beats_one_rate_where_attention_dominates() -> None:
    found = {row["id"]: row for row in prediction.judge()["rows"]}
    assert found["h200-official-720p"]["one_rate_error"] == pytest.approx(0.47, abs=0.01)
    assert found["h200-official-720p"]["error"] < 0.2
    assert all(abs(found[name]["error"]) < 0.05 for name in ("h200-fp8-720p", "h200-fp8-4-720p", "h100-step-480p"))
    assert found["5090-bf16-animate"]["error"] < -0.3, "a miss that is told"


def test_rates_of_measured_forwards() -> None:
    small, large = (forward_work(tokens(*size), 77) for size in ((512, 512), (1280, 720)))
    points = [(w, w.linear / 500 + w.attention / 800) for w in (small, large)]
    assert rates_of(points) == pytest.approx((500, 800))
    with pytest.raises(InputError, match="two sizes"):
        rates_of(points[:1] * 2)
    with pytest.raises(InputError, match="no positive rates"):
        rates_of([(small, 10.0), (large, 11.0)])


def test_the_effective_rate_follows_the_tokens() -> None:
    h200 = load_calibrations().gpu("H200")
    works = [forward_work(tokens(*size), 77) for size in ((512, 512), (832, 480), (1280, 720))]
    effective = [work.tflop / forward_s(work, h200, "bf16") for work in works]
    assert effective == sorted(effective)
    assert effective[2] > 1.2 * effective[0]


def test_rates_that_are_not_there() -> None:
    work = Work(linear=1, attention=1)
    with pytest.raises(InputError, match="there is no precision 'int3'"):
        forward_s(work, load_calibrations().gpu("H200"), "int3")
    with pytest.raises(InputError, match="no rates are known for fp4 on L4") as raised:
        forward_s(work, load_calibrations().gpu("L4"), "fp4")
    assert "bf16, fp8" in raised.value.hint
    with pytest.raises(InputError, match="none"):
        forward_s(work, Constants("X", {}), "fp8")


def test_memory_of_a_resident_model() -> None:
    assert memory_gb(832 * 480, "bf16") == pytest.approx(44)
    assert 24 < memory_gb(832 * 480, "fp8") < 32
    assert memory_gb(1280 * 720, "fp8") > 32
    assert {gpu.name for gpu in gpus()} == set(load_calibrations().gpus)
