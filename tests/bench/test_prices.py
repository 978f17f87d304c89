"""Prices: the table, its dates, and what a bad one says."""

import datetime
from pathlib import Path

import pytest

from tests.conftest import ROOT
from ugclab.bench.prices import FRESH_DAYS, load_prices, same_name
from ugclab.errors import InputError
from ugclab.wan.arithmetic import gpus

READ = datetime.date(2026, 6, 8)


def test_the_packaged_table_is_the_one_of_benchmarks() -> None:
    packaged = ROOT / "ugclab/bench/data/prices.yaml"
    assert (ROOT / "benchmarks/prices.yaml").read_bytes() == packaged.read_bytes()
    assert load_prices(ROOT / "benchmarks") == load_prices()


def test_every_price_has_a_date_and_a_source() -> None:
    prices = load_prices()
    dated = [d for p in prices.gpus for d in (p.serverless, p.pod) if d] + list(prices.hosted)
    assert len(dated) >= 20
    assert all(d.source and d.date <= datetime.date.today() for d in dated)


def test_the_table_of_the_wan_checks_has_the_same_prices() -> None:
    prices = load_prices()
    for gpu in gpus():
        for row in (p for p in prices.gpus if p.gpu == gpu.name):
            assert row.usd_s("serverless") == gpu.serverless_usd_s
            pod = row.usd_s("pod")
            assert (None if pod is None else pytest.approx(pod * 3600)) == gpu.pod_usd_h


def test_a_price_grows_old() -> None:
    (h200,) = load_prices().of("H200")
    assert h200.serverless is not None
    assert not h200.serverless.stale(READ + datetime.timedelta(days=FRESH_DAYS))
    assert h200.serverless.stale(READ + datetime.timedelta(days=FRESH_DAYS + 1))


def test_hosted_services_count_seconds_their_own_way() -> None:
    by_name = {p.name: p for p in load_prices().hosted}
    assert by_name["fal wan-animate/replace 720p"].usd(5.0, 150) == pytest.approx(0.75)
    assert by_name["WaveSpeed wan-animate 480p"].usd(5.0, 150) == pytest.approx(0.20)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("H100", "NVIDIA H100 80GB HBM3", True),
        ("RTX 4090", "NVIDIA GeForce RTX 4090", True),
        ("RTX 4090", "4090", True),
        ("A100", "NVIDIA A100-SXM4-80GB", True),
        ("L4", "L40S", False),
        ("RTX 6000 Ada", "RTX 6000 Pro", False),
    ],
)
def test_gpus_by_what_people_call_them(one: str, other: str, same: bool) -> None:
    assert same_name(one, other) is same


def test_an_unknown_gpu_is_told_with_those_that_look_like_it() -> None:
    with pytest.raises(InputError, match="RTX 4080") as raised:
        load_prices().of("RTX 4080")
    assert "RTX 4090" in raised.value.hint
    with pytest.raises(InputError) as raised:
        load_prices().of("abacus")
    assert "H200" in raised.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema_version: 2\ngpus: []", "schema_version 2, this ugclab reads 1"),
        ("[", "is no YAML"),
        ("just words", "schema_version None"),
        (
            "schema_version: 1\ngpus: [{gpu: H9, provider: X, vram_gb: 1, pod: {usd_h: 1, source: me}}]",
            "gpus.0.pod.date",
        ),
        (
            "schema_version: 1\ngpus: [{gpu: H, provider: Y, vram_gb: 9,pod: {usd_h: 0, date: 2026-11-01, source: I}}]",
            "greater than 0",
        ),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "prices.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        load_prices(tmp_path)


def test_ones_own_table_takes_the_place(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(
        "schema_version: 1\ngpus:\n"
        "- {gpu: H100, provider: cellar, vram_gb: 80, pod: {usd_h: 1.5, date: 2026-11-20, source: bill}}"
    )
    assert [p.provider for p in load_prices(tmp_path).gpus] == ["cellar"]
    assert load_prices(tmp_path / "nothing") == load_prices()
