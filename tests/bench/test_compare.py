"""Comparing builds, on recorded runs: what is slower is seen, what is noise is not, what cannot be said is not said."""

import itertools
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.recorded import SCENARIO, machine, record, save
from tests.conftest import ROOT
from ugclab.bench.compare import compare, interval, rank_counts
from ugclab.bench.results import read_benchmark
from ugclab.entrypoints.cli import main
from ugclab.errors import InputError

LIMIT = 0.10


def verdicts(base: int, new: int, **changes: object) -> dict[tuple[str, str], str]:
    found = compare(record(base), record(new, **changes), LIMIT)  # type: ignore[arg-type]
    return {(row.start, row.metric): row.verdict for row in found.rows}


@pytest.mark.parametrize("seed", range(10))
def test_ten_repeats_of_an_unchanged_build_raise_no_alarm(seed: int) -> None:
    assert "slower" not in verdicts(1000, seed).values()


@pytest.mark.parametrize("seed", range(10))
def test_a_planted_slowdown_of_a_fifth_is_caught(seed: int) -> None:
    assert "slower" in verdicts(1000, seed, slower=1.2).values()


@pytest.mark.parametrize(("own", "false", "missed"), [(0.03, 2, 6), (0.3, 8, 200)])
def test_how_often_it_errs(own: float, false: int, missed: int) -> None:
    """Alarms and silences of 200 pairs, with the noise of CPU time, and of wall time on a crowded machine."""
    pairs = [(record(9000 + i, own=own), i) for i in range(200)]
    assert sum(bool(compare(base, record(i, own=own), LIMIT).regressions) for base, i in pairs) <= false
    assert sum(not compare(base, record(i, own=own, slower=1.2), LIMIT).regressions for base, i in pairs) <= missed


def test_the_step_that_grew_is_named() -> None:
    found = compare(record(1), record(2, slower=1.5, step="swap", own=0.01), LIMIT)
    walls = [row for row in found.rows if row.metric == "wall time"]
    assert [row.verdict for row in walls] == ["slower", "slower"]
    assert all(row.where.startswith("mostly swap, 1.") for row in walls)


def test_memory_is_judged_too() -> None:
    assert verdicts(1, 2, hungrier=1.3)["warm", "peak memory"] == "slower"


def test_what_is_faster_is_said() -> None:
    assert verdicts(1, 2, slower=0.7)["warm", "CPU time"] == "faster"


def test_a_slow_machine_is_not_a_slow_build() -> None:
    new = record(2)
    halved = [t.model_copy(update={"wall_s": 2 * t.wall_s, "cpu_s": 2 * t.cpu_s}) for t in new.trials]
    found = compare(record(1), new.model_copy(update={"trials": tuple(halved)}), LIMIT)
    assert not found.regressions
    assert found.machine_factor == pytest.approx(2, rel=0.3)


def test_one_repeat_says_nothing() -> None:
    found = compare(record(1, rounds=1), record(2, rounds=1, slower=3), LIMIT)
    assert {row.verdict for row in found.rows} == {"too few"}
    assert not found.regressions
    assert not found.judged
    assert "too few repeats to tell" in found.to_markdown()


def test_three_repeats_can_tell() -> None:
    assert compare(record(1, rounds=3), record(2, rounds=3, slower=1.3), LIMIT).regressions


def test_without_a_floor_it_is_said() -> None:
    found = compare(record(1, floor=False), record(2), LIMIT)
    assert found.machine_factor is None
    assert any("no plain transcode" in note for note in found.notes)


def test_other_scenarios_are_named_not_compared() -> None:
    other = SCENARIO.model_copy(update={"name": "other"})
    base = record(1)
    both = base.model_copy(
        update={"scenarios": (SCENARIO, other), "trials": (*base.trials, *record(3, scenario=other).trials)}
    )
    found = compare(both, record(2), LIMIT)
    assert "other: only the base measured it" in found.notes
    with pytest.raises(InputError, match="nothing in common"):
        compare(base, record(2, scenario=other), LIMIT)


def test_a_scenario_defined_otherwise_is_not_compared() -> None:
    changed = SCENARIO.model_copy(update={"plan": "0-1:swap"})
    with pytest.raises(InputError, match="nothing in common") as raised:
        compare(record(1), record(2, scenario=changed), LIMIT)
    assert "defined otherwise" in raised.value.hint


def test_other_machines_are_refused_unless_asked_for() -> None:
    new = record(2).model_copy(update={"machine": machine("another CPU")})
    with pytest.raises(InputError, match="another CPU"):
        compare(record(1), new, LIMIT)
    found = compare(record(1), new, LIMIT, across_machines=True)
    assert found.rows
    assert "two machines" in found.notes[0]


def test_other_engines_are_refused() -> None:
    new = record(2)
    renamed = new.model_copy(update={"engine": new.engine.model_copy(update={"name": "inswapper"})})
    with pytest.raises(InputError, match="inswapper"):
        compare(record(1), renamed, LIMIT)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"schema_version": 2}', "schema version 2"),
        ("{}", "no schema version"),
        ("[]", "no schema version"),
        ("{", "no JSON"),
        ('{"schema_version": 1}', "no benchmark"),
    ],
)
def test_bad_results(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_benchmark(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_benchmark(tmp_path / "none.json")


def brute_force(first: int, second: int) -> list[int]:
    """Counts of u over all orders of two samples."""
    counts = [0] * (first * second + 1)
    for places in itertools.combinations(range(first + second), first):
        counts[sum(place - i for i, place in enumerate(places))] += 1
    return counts


@pytest.mark.parametrize(("first", "second"), [(1, 1), (1, 5), (3, 3), (4, 3), (5, 5), (2, 7)])
def test_the_rank_distribution_is_exact(first: int, second: int) -> None:
    assert rank_counts(first, second) == brute_force(first, second)
    assert sum(rank_counts(first, second)) == math.comb(first + second, first)


times = st.lists(st.floats(0.01, 1e4), min_size=1, max_size=12)


@given(times, times, st.floats(0.01, 100))
def test_intervals(base: list[float], new: list[float], factor: float) -> None:
    low, high = interval(base, new)
    if math.comb(len(base) + len(new), len(base)) < 20:
        assert low is high is None
        return
    assert low is not None
    assert high is not None
    assert min(new) / max(base) <= low <= high <= max(new) / min(base)
    scaled = interval(base, [value * factor for value in new])  # it follows the truth
    assert scaled == (pytest.approx(low * factor), pytest.approx(high * factor))
    turned = interval(new, base)  # and does not mind which came first
    assert turned == (pytest.approx(1 / high), pytest.approx(1 / low))
    assert interval(base, sorted(new, reverse=True)) == (low, high)


def left_with(words: list[str]) -> int:
    with pytest.raises(SystemExit) as left:
        main(words)
    return int(left.value.code or 0)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, same, slow = (
        str(save(record(seed, slower=factor), tmp_path / f"{seed}.json")) for seed, factor in ((1, 1), (2, 1), (3, 1.3))
    )
    table = tmp_path / "comment.md"
    assert left_with(["bench", "compare", base, same, "--markdown", str(table)]) == 0
    assert table.read_text() == capsys.readouterr().out
    assert left_with(["bench", "compare", base, slow, "--max-regression", "10%"]) == 80
    said = capsys.readouterr()
    assert "times the base's" in said.err
    assert "**worse**" in said.out
    assert left_with(["bench", "compare", base, slow, "--max-regression", "0.5"]) == 0
    capsys.readouterr()
    assert left_with(["bench", "compare", base, slow, "--json"]) == 80
    assert {row["verdict"] for row in json.loads(capsys.readouterr().out)["rows"]} >= {"slower"}
    assert left_with(["bench", "compare", base, slow, "--max-regression", "ten"]) == 10
    once = str(save(record(4, rounds=1), tmp_path / "once.json"))
    assert left_with(["bench", "compare", base, once]) == 10
    assert "--repeat 5" in capsys.readouterr().err
    assert left_with(["bench", "compare", base, slow, "--max-regression", "0%"]) == 10


def test_a_real_run_slowed_down_by_a_fifth_is_caught() -> None:
    """The committed run, measured on a crowded machine: wall times cannot tell there, processor times can."""
    base = read_benchmark(ROOT / "benchmarks/results/bench-cpu.json")
    slow = [
        t.model_copy(update={"wall_s": 1.2 * t.wall_s, "cpu_s": 1.2 * t.cpu_s}) if t.route == "ugclab" else t
        for t in base.trials
    ]
    found = compare(base, base.model_copy(update={"trials": tuple(slow)}), LIMIT)
    assert not compare(base, base, LIMIT).regressions
    caught = {(row.scenario, row.start) for row in found.regressions if row.metric == "CPU time"}
    assert caught == {(s.name, start) for s in base.scenarios if s.repeat > 1 for start in ("cold", "warm")}
