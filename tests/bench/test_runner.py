"""Running a scenario: every road, cold and warm, in processes of their own; and what is written of it."""

import csv
import io
import json
import os
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from ugclab.bench.footage import make_footage
from ugclab.bench.results import START, Benchmark, Spread, read_benchmark, summarise, to_csv
from ugclab.bench.runner import find_commit, run_scenarios
from ugclab.bench.scenarios import Footage, catalogue, find
from ugclab.bench.tables import to_markdown
from ugclab.entrypoints.cli import main
from ugclab.errors import Cancelled, EngineError, EngineNotFound, InputError
from ugclab.media.frames import read_frames
from ugclab.media.probe import probe
from ugclab.settings import Settings

TINY = """
schema_version: 1
name: tiny
title: two seconds
footage: {seconds: 2, width: 320, height: 180}
plan: 0-1:swap
peers: [transcode, images]
repeat: 2
"""
FAKE_SMI = """#!/bin/sh
case "$*" in
"--query-gpu=name,driver_version,memory.total --format=csv,noheader,nounits") echo "NVIDIA H200, 570.86.15, 143771" ;;
"--query-gpu=index,memory.used,utilization.gpu --format=csv,noheader,nounits --loop-ms=100")
  while :; do echo "0, 1234, 50"; echo "1, 100, [N/A]"; sleep 0.02; done ;;
*) exit 9 ;;
esac
"""


@pytest.fixture(scope="module")
def plugins(plugin_dir: Path) -> pytest.MonkeyPatch:
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(plugin_dir))
    patch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), str(plugin_dir))))
    yield patch
    patch.undo()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scenarios") / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def smi(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("bin") / "nvidia-smi"
    path.write_text(FAKE_SMI)
    path.chmod(0o755)
    return str(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def result(plugins: pytest.MonkeyPatch, tiny: Path, smi: str, data: Path) -> Benchmark:
    settings = Settings(data_dir=data, usd_per_hour=3.6)
    return run_scenarios(find([str(tiny)]), settings, engine="ledger", nvidia_smi=smi)


def test_every_road_is_taken_in_every_round(result: Benchmark) -> None:
    roads = [("transcode", "cold"), ("ugclab", "cold"), ("ugclab", "warm"), ("images", "cold")]
    assert [(t.round, t.route, t.start) for t in result.trials] == [(r, *road) for r in (0, 1) for road in roads]
    for trial in result.trials:
        assert trial.wall_s > 0
        assert trial.cpu_s > 0
        assert trial.peak_rss_mb > 20
        assert trial.frames == 50
        if trial.route != "transcode":
            assert (trial.swapped_segments, trial.swapped_frames) == (1, 25)


def test_stages_account_for_the_whole(result: Benchmark) -> None:
    by_road = {(t.route, t.start): t for t in result.trials if t.round == 1}
    steps = {road: [s.step for s in trial.stages] for road, trial in by_road.items()}
    assert steps["ugclab", "cold"] == [START, "probe", "setup", "analyse", "swap", "stitch"]
    assert steps["ugclab", "warm"] == [START, "probe", "analyse", "swap", "stitch"]
    assert steps["images", "cold"] == [START, "setup", "probe", "analyse", "extract", "swap", "merge"]
    for trial in by_road.values():
        if trial.stages:
            assert sum(s.wall_s for s in trial.stages) == pytest.approx(trial.wall_s, rel=0.02)
    assert by_road["ugclab", "warm"].wall_s < by_road["ugclab", "cold"].wall_s


def test_gpus_are_watched_where_nvidia_smi_is(result: Benchmark) -> None:
    assert [(g.name, g.driver, g.memory_mb) for g in result.machine.gpus] == [("NVIDIA H200", "570.86.15", 143771)]
    own = [t for t in result.trials if t.route == "ugclab"]
    assert {t.peak_vram_mb for t in own} == {1234.0}
    assert {t.gpu_percent for t in own} == {50.0}
    swaps = [s for t in own for s in t.stages if s.step == "swap"]
    assert {s.peak_vram_mb for s in swaps} == {1234.0}
    assert "VRAM MB" in to_markdown(result)


def test_the_result_travels(result: Benchmark, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(result.model_dump_json())
    assert read_benchmark(path) == result
    rows = list(csv.DictReader(io.StringIO(to_csv(result))))
    assert len(rows) == sum(1 + len(t.stages) for t in result.trials)
    whole = [row for row in rows if row["step"] == "whole" and row["route"] == "ugclab"]
    assert all(float(row["cost_usd"]) == pytest.approx(float(row["wall_s"]) / 1000) for row in whole)
    assert all(float(row["rtf"]) == pytest.approx(float(row["wall_s"]) / 2) for row in whole)
    summary = next(s for s in summarise(result) if s.label == "ugclab, warm")
    assert summary.repeats == 2
    assert summary.usd_per_segment == pytest.approx(summary.wall_s.median / 1000)
    assert result.commit == find_commit()


def test_nothing_is_left_but_the_footage(result: Benchmark, data: Path) -> None:
    assert [p.suffix for p in data.rglob("*") if p.is_file()] == [".mp4"]


def test_the_command_writes_everything(
    plugins: pytest.MonkeyPatch, tiny: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugins.setenv("UGCLAB_DATA_DIR", str(data))
    words = ["bench", "run", str(tiny), "--engine", "ledger", "--repeat", "1", "--out", str(tmp_path / "out"), "--json"]
    with pytest.raises(SystemExit) as left:
        main([*words, "--name", "b", "--usd-per-hour", "0.1"])
    assert left.value.code == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "out" / "b.json").read_text())
    names = {p.name for p in (tmp_path / "out").iterdir()}
    pictures = {f"b-{kind}.{form}" for kind in ("stages", "targets") for form in ("png", "svg")}
    assert names == {"b.json", "b.csv", "b.md"} | (pictures if _has_matplotlib() else set())


def _has_matplotlib() -> bool:
    import importlib.util

    return importlib.util.find_spec("matplotlib") is not None


def test_faults_are_told(plugins: pytest.MonkeyPatch, tiny: Path, data: Path) -> None:
    settings = Settings(data_dir=data)
    with pytest.raises(EngineNotFound):
        run_scenarios(find([str(tiny)]), settings, engine="ledgr")
    with pytest.raises(Cancelled):
        run_scenarios(find([str(tiny)]), settings, engine="ledger", cancelled=lambda: True)


def test_what_was_measured_before_a_fault_is_kept(plugins: pytest.MonkeyPatch, tiny: Path, data: Path) -> None:
    kept: list[Benchmark] = []
    (good,) = find([str(tiny)])
    bad = good.model_copy(update={"name": "bad", "plan": "0-9:swap"})
    with pytest.raises(EngineError, match="0-9"):
        run_scenarios(
            [good.model_copy(update={"peers": ()}), bad], Settings(data_dir=data), engine="ledger", repeat=1,
            on_scenario=kept.append,
        )  # fmt: skip
    assert [[s.name for s in k.scenarios] for k in kept] == [["tiny"]]
    assert len(kept[0].trials) == 2


@pytest.mark.parametrize(("rotation", "coded"), [(0, (240, 320)), (90, (320, 240)), (270, (320, 240))])
def test_footage_is_upright(rotation: int, coded: tuple[int, int], tmp_path: Path) -> None:
    wanted = Footage(seconds=1, width=240, height=320, rotation=rotation)
    path = make_footage(wanted, tmp_path)
    info = probe(path)
    assert (info.width, info.height, info.rotation) == (*coded, rotation) or (info.width, info.height) == (240, 320)
    plain = next(read_frames(p := make_footage(wanted.model_copy(update={"rotation": 0}), tmp_path), probe(p)))
    turned = next(read_frames(path, info))
    assert turned.y.shape == (320, 240)
    assert abs(turned.y.astype(int) - plain.y).mean() < 3
    made = path.stat().st_mtime_ns
    assert make_footage(wanted, tmp_path).stat().st_mtime_ns == made


def test_footage_as_long_as_wanted(tmp_path: Path) -> None:
    info = probe(make_footage(Footage(seconds=40, width=1280, height=720), tmp_path))
    assert float(info.duration) == pytest.approx(40, abs=0.5)  # packets are copied
    assert info.has_audio


def test_scenarios_of_the_package() -> None:
    names = {s.name for s in catalogue()}
    assert {"ugc-30s", "segment-5s", "source-10min", "phone-portrait", "hd-1080p"} <= names
    assert {s.name for s in find(["all"])} == names
    assert len({s.digest for s in catalogue()}) == len(names)
    assert (ROOT / "benchmarks/scenarios").resolve() == ROOT / "ugclab/bench/data/scenarios"
    with pytest.raises(InputError, match="no scenario") as raised:
        find(["ugc-30"])
    assert raised.value.hint == "did you mean 'ugc-30s'?"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [", "no YAML"),
        ("name: x", "title"),
        (TINY.replace("seconds: 2", "seconds: 0"), "footage.seconds"),
        (TINY.replace("plan", "plam"), "plam"),
        (TINY.replace("schema_version: 1", "schema_version: 2"), "schema_version"),
    ],
)
def test_bad_scenarios(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        find([str(path)])


def test_spreads() -> None:
    spread = Spread.of([2.0, 1.0, 4.0])
    assert (spread.median, spread.low, spread.high, spread.percent) == (2.0, 1.0, 4.0, 100.0)
    assert sys.float_info.epsilon > Spread.of([3.0]).percent
