"""Charts: both files of both kinds, the same bytes each time, with the targets and the labels on them."""

from pathlib import Path

import pytest
from PIL import Image

from tests.bench.recorded import SCENARIO, record
from ugclab.bench.charts import write_charts
from ugclab.bench.results import Benchmark
from ugclab.bench.scenarios import Scenario
from ugclab.errors import InputError


@pytest.fixture
def benchmark_() -> Benchmark:
    pytest.importorskip("matplotlib", reason="extra 'bench' is not installed")
    other: Scenario = SCENARIO.model_copy(update={"name": "other", "title": "another one"})
    first, second = record(1), record(2, scenario=other)
    return first.model_copy(update={"scenarios": (SCENARIO, other), "trials": (*first.trials, *second.trials)})


def test_charts(benchmark_: Benchmark, tmp_path: Path) -> None:
    written = write_charts(benchmark_, tmp_path, "b")
    assert {p.name for p in written} == {f"b-{k}.{f}" for k in ("stages", "targets") for f in ("png", "svg")}
    for path in written:
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert picture.width == 1600
                assert picture.convert("RGB").getpixel((2, 2)) == (13, 16, 21)
                colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24) or []}
                assert (255, 107, 61) in colours
    stages, targets = ((tmp_path / f"b-{kind}.svg").read_text() for kind in ("stages", "targets"))
    assert "swap 5" in stages
    for word in ("target 300 s", "target 5 ¢", "a short one", "another one", "ugclab, warm", "plain transcode"):
        assert word in targets


def test_they_are_the_same_each_time(benchmark_: Benchmark, tmp_path: Path) -> None:
    first = [p.read_bytes() for p in write_charts(benchmark_, tmp_path, "b")]
    assert [p.read_bytes() for p in write_charts(benchmark_, tmp_path, "b")] == first


def test_without_a_price_there_is_one_panel(benchmark_: Benchmark, tmp_path: Path) -> None:
    write_charts(benchmark_.model_copy(update={"usd_per_hour": 0.0}), tmp_path, "b")
    assert "¢" not in (tmp_path / "b-targets.svg").read_text()


def test_without_matplotlib_it_is_said_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(InputError, match="matplotlib") as raised:
        write_charts(record(1), tmp_path, "b")
    assert "ugclab[bench]" in raised.value.hint
