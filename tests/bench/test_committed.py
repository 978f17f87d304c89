"""The results in benchmarks/results: a run of every scenario, as it is defined now, with the machine's description."""

import json
from pathlib import Path

import pytest

from benchmarks.mesh_prediction import summary
from tests.conftest import ROOT
from ugclab.bench.results import read_benchmark, to_csv
from ugclab.bench.scenarios import catalogue
from ugclab.bench.tables import to_markdown

RESULTS = sorted((ROOT / "benchmarks/results").glob("bench-*.json"))
CPU = ROOT / "benchmarks/results/bench-cpu.json"


def test_every_scenario_was_measured() -> None:
    benchmark = read_benchmark(CPU)
    assert {s.name: s.digest for s in benchmark.scenarios} == {s.name: s.digest for s in catalogue()}
    for scenario in benchmark.scenarios:
        roads = {(t.route, t.start) for t in benchmark.trials if t.scenario == scenario.name}
        assert roads == {("ugclab", "cold"), ("ugclab", "warm"), *((peer, "cold") for peer in scenario.peers)}


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_the_machine_is_described_and_the_tables_are_of_this_run(path: Path) -> None:
    benchmark = read_benchmark(path)
    here = benchmark.machine.environment
    assert here.cpu
    assert here.cores
    assert here.packages
    assert benchmark.machine.ffmpeg
    assert len(benchmark.commit) == 40
    assert path.with_suffix(".md").read_text() == to_markdown(benchmark)
    assert path.with_suffix(".csv").read_text() == to_csv(benchmark)
    for kind in ("stages", "targets"):
        assert path.with_name(f"{path.stem}-{kind}.png").exists()


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_the_package_carries_this_run(path: Path) -> None:
    packaged = ROOT / "ugclab/bench/data/results" / path.name
    assert packaged.read_bytes() == path.read_bytes(), f"link it: ln -sf ../../ugclab/bench/data/results/{path.name}"
    assert packaged.stat().st_size < 300_000


@pytest.mark.parametrize("name", ["mesh-prediction", "mesh-prediction-epyc"])
def test_predictions_of_the_embedded_engine_were_judged_on_footage_of_many_kinds(name: str) -> None:
    """The summary is that of the rows, and no row names its clip."""
    kept = json.loads((ROOT / f"benchmarks/results/{name}.json").read_text())
    for what, column in (("wall", "error"), ("cpu", "cpu_error"), ("cpu_by_probe_alone", "cpu_error_by_probe_alone")):
        assert kept[what] == summary(kept["rows"], column)
    assert len({tuple(row["size"]) for row in kept["rows"]}) >= 4
    assert {row["swapped_share"] == 1 for row in kept["rows"]} == {True, False}
    assert not {"clip", "name", "path", "source"} & {key for row in kept["rows"] for key in row}
