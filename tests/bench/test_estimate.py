"""Predictions of one setting: what is counted, what it costs, and what cannot be told."""

import json
from fractions import Fraction
from pathlib import Path

import pytest

from tests.bench.footage import media, ugc
from tests.conftest import ROOT
from ugclab.bench import estimate
from ugclab.bench.estimate import (
    Footage,
    Teller,
    check_cost,
    estimate_cost,
    fewest_clips,
    footage,
    on_this_machine,
)
from ugclab.bench.setting import MESH, WAN, Prediction, PriceTag, Setting
from ugclab.errors import InputError, PlanError
from ugclab.media.probe import probe
from ugclab.pipeline.measure import environment
from ugclab.sample import CLIP
from ugclab.schema.plan import FITTED
from ugclab.settings import Settings

H100 = Setting(
    engine=WAN,
    gpu="H100",
    provision="serverless",
    picture="480p",
    width=832,
    height=464,
    frame_rate=Fraction(30),
    steps=4,
    precision="fp8",
)
PRICE = PriceTag(usd_s=0.00116, date="2026-06-08", source="a test")


@pytest.fixture(scope="module")
def teller() -> Teller:
    return Teller.of(Settings(bench_dir=""))


def predict(teller: Teller, given: Footage | None = None, **changes: object) -> Prediction:
    return teller.predict(given or ugc(), H100.model_copy(update=changes), PRICE)


@pytest.mark.parametrize(
    ("frames", "count", "length"),
    [(150, 2, 77), (120, 2, 61), (80, 1, 81), (77, 1, 77), (82, 2, 45), (1, 1, 5), (2, 1, 5), (1500, 19, 81)],
)
def test_clips_are_the_fewest_and_then_the_shortest(frames: int, count: int, length: int) -> None:
    assert fewest_clips(frames) == (count, length)
    assert length % 4 == 1
    assert count * (length - 1) + 1 >= frames


def test_a_prediction_is_the_sum_of_its_parts(teller: Teller) -> None:
    found = predict(teller)
    parts = found.breakdown.model_dump()
    assert found.seconds == pytest.approx(sum(parts.values()) - parts["idle_s"])
    assert found.usd == pytest.approx((found.seconds + parts["idle_s"]) * PRICE.usd_s)
    assert [s.index for s in found.segments] == [0, 2]
    assert [(s.frames, s.clips) for s in found.segments] == [(150, 2), (150, 2)]
    assert found.seconds > sum(s.seconds for s in found.segments)
    assert found.weakest == "assumed"
    assert found.provenance["fp8.linear"] == "assumed"


def test_near_the_simple_model_where_that_was_right(teller: Teller) -> None:
    assert predict(teller).seconds == pytest.approx(143, rel=0.05)
    assert predict(teller, gpu="RTX 4090").seconds == pytest.approx(302, rel=0.08)


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"steps": 4}, {"steps": 20}),
        ({"precision": "fp8"}, {"precision": "bf16"}),
        ({"width": 512, "height": 512}, {"width": 1280, "height": 720}),
        ({"frame_rate": Fraction(16)}, {"frame_rate": Fraction(24)}),
        ({"state": "warm"}, {"state": "cold"}),
        ({"state": "cold"}, {"state": "reload"}),
        ({"state": "cold", "provision": "pod"}, {"state": "cold", "provision": "serverless"}),
        ({"gpu": "H100"}, {"gpu": "L4"}),
    ],
)
def test_what_takes_longer(teller: Teller, less: dict[str, object], more: dict[str, object]) -> None:
    short, long = predict(teller, **less).seconds, predict(teller, **more).seconds
    assert short is not None
    assert long is not None
    assert short < long


def test_a_pod_is_paid_while_it_waits() -> None:
    busy, half = Teller.of(Settings()), Teller.of(Settings(), utilisation=0.5)
    dollars = [predict(t, provision="pod").usd for t in (busy, half)]
    assert dollars[0] is not None
    assert dollars[1] == pytest.approx(2 * dollars[0])
    assert predict(half, provision="serverless").usd == predict(busy, provision="serverless").usd
    assert predict(busy, provision="pod").provenance["utilisation"] == "assumed"
    with pytest.raises(InputError, match="busy 0 of its time"):
        Teller.of(Settings(), utilisation=0)


def test_weights_that_do_not_fit_are_offloaded_and_told(teller: Teller) -> None:
    assert predict(teller).warnings == ()
    found = predict(teller, gpu="RTX 4090")
    assert any("offloaded" in warning for warning in found.warnings)
    assert found.provenance["offload_s"] == "published"


def test_a_5090s_assumed_rates_say_what_speaks_against_them(teller: Teller) -> None:
    assert any("1.5 times as long" in warning for warning in predict(teller, gpu="RTX 5090").warnings)


def longer_sample(seconds: int, plan: str) -> Footage:
    """The sample again and again, as benchmarks.swap makes it: known by its probe alone."""
    info = probe(CLIP)
    times = Fraction(seconds) / info.duration
    changed = {"duration": Fraction(seconds), "frames": int(info.frames * times)}
    changed["size_bytes"] = int(info.size_bytes * times)
    gop = info.gop.model_copy(update={"keyframes": int(info.gop.keyframes * times)})
    return footage(info.model_copy(update=changed | {"gop": gop}), plan)


def test_the_embedded_engine_as_it_was_measured_for_another_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    """results/swap.json and the packaged calibration of its CPU were measured on an idle machine, by other footage."""
    kept = json.loads((ROOT / "benchmarks/results/swap.json").read_text())
    there = environment().model_copy(update={"cpu": kept["machine"]["cpu"], "cores": kept["machine"]["cores"]})
    monkeypatch.setattr(estimate, "environment", lambda: there)
    teller, factors = Teller.of(Settings()), []
    for run in kept["runs"]:
        if run["store"] == "cold":
            plan = {"default": FITTED if run["length_s"] > 10 else "0-5:swap,5-end:keep"}.get(run["plan"], "all")
            given = longer_sample(run["length_s"], plan)
            factors.append((teller.predict(given, *on_this_machine(given, 0)).seconds or 0) / run["wall_s"])
    assert len(factors) >= 3
    assert factors == pytest.approx([1.0] * len(factors), rel=0.15)


def test_the_embedded_engine(teller: Teller) -> None:
    given = ugc(rate=Fraction(25), seconds=60)
    found = teller.predict(given, *on_this_machine(given, 0.36))
    assert found.setting.engine == MESH
    assert found.weakest == "measured"
    assert found.usd == pytest.approx((found.seconds or 0) * 0.0001)
    large = ugc(rate=Fraction(25), seconds=60, width=1920, height=1080)
    assert (teller.predict(large, *on_this_machine(large, 0)).seconds or 0) > (found.seconds or 0)
    assert teller.predict(large, *on_this_machine(large, 0)).usd is None


def test_what_cannot_be_predicted(teller: Teller) -> None:
    with pytest.raises(InputError, match="'wan-animated' has no model") as raised:
        predict(teller, engine="wan-animated")
    assert "wan-animate" in raised.value.hint
    with pytest.raises(InputError, match="no rates are known for the GPU 'TPU'"):
        predict(teller, gpu="TPU")
    with pytest.raises(PlanError, match="swaps nothing"):
        ugc("0-end:keep")
    with pytest.raises(PlanError, match="has no length"):
        ugc("0-0:swap,0-end:keep")


def test_faces_count_as_everything() -> None:
    assert footage(media(), "faces").swapped_s == 30


def test_jobs_are_refused_beforehand() -> None:
    dear = Settings(usd_per_hour=100)
    found = estimate_cost(media(), "all", MESH, dear)
    assert found is not None
    assert found.usd is not None
    check_cost(media(), "all", MESH, found.usd * 1.01, dear)
    check_cost(media(), "all", MESH, None, dear)
    check_cost(media(), "all", "tint", 1e-9, dear)
    check_cost(media(), "all", MESH, 1e-9, Settings())
    with pytest.raises(InputError, match=r"it would cost about \$0\.\d+ .* are allowed"):
        check_cost(media(), "all", MESH, found.usd * 0.99, dear)


def test_ones_own_prices_and_rates(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("schema_version: 3")
    with pytest.raises(InputError, match="schema_version 3"):
        Teller.of(Settings(bench_dir=str(tmp_path)))
