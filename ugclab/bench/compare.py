"""Is a build slower than another? By ratios to the floor of the same round, and only beyond what noise explains.

A trial's time is divided by the plain transcode's of its round, which takes out how fast the machine was just then. Of
these, the ratio of medians is judged; its interval is Hodges and Lehmann's (the rank test of Mann and Whitney, turned
round): no shape of noise is assumed, and it is exact for few repeats. (E. L. Lehmann, Nonparametrics, 1975, ch. 2.)
"""

import statistics
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Literal

from pydantic import Field

from ugclab.bench.results import Benchmark, Trial
from ugclab.errors import InputError
from ugclab.schema.base import Frozen

ALPHA = 0.05
"""Chance of a false alarm in a whole comparison: each of its rows gets its share (Bonferroni), as far as there are
repeats enough. Three against three can tell 1 in 20 at best, five against five 1 in 252: take five or more."""

Metric = Literal["wall time", "CPU time", "peak memory"]
Verdict = Literal["slower", "faster", "same", "noise", "too few"]

_SAID = {
    "slower": "**worse**", "faster": "better", "same": "same",
    "noise": "within the noise", "too few": "too few repeats",
}  # fmt: skip


class Row(Frozen):
    """One figure of one scenario, base against new."""

    scenario: str
    start: Literal["cold", "warm"]
    metric: Metric
    base: float = Field(description="median, as measured: s or MB")
    new: float
    ratio: float = Field(description="of the medians, the machine's factor taken out of times")
    low: float | None = Field(description="ends of the interval of the ratio; None with too few repeats")
    high: float | None
    verdict: Verdict
    where: str = Field("", description="the step that grew most, where time did")


class Comparison(Frozen):
    """What became of a build."""

    base: str = Field(description="its commit, or its date where it has none")
    new: str
    max_regression: float
    machine_factor: float | None = Field(description="the new run's floor over the base's; None without a floor")
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = Field((), description="what was not compared, and why")

    @property
    def regressions(self) -> tuple[Row, ...]:
        """What is worse by more than was allowed, and not by chance."""
        return tuple(row for row in self.rows if row.verdict == "slower")

    @property
    def judged(self) -> bool:
        """Whether anything can be said: there are repeats enough for at least one figure."""
        return any(row.verdict != "too few" for row in self.rows)

    def to_markdown(self) -> str:
        """A comment for a pull request."""
        count, allowed = len(self.regressions), f"{self.max_regression:.0%}"
        headline = f"{count} of {len(self.rows)} figures" if count else "nothing"
        told = f"{headline} worse by more than {allowed}" if self.judged else "too few repeats to tell"
        if doubtful := sum(row.verdict == "noise" and row.ratio > 1 for row in self.rows):
            told += f", {doubtful} beyond it but within the noise"
        lines = [
            f"### Benchmark: {told}",
            "",
            f"`{self.new}` against `{self.base}`. "
            + (f"The machine itself took {self.machine_factor:.2f} times as long. " if self.machine_factor else "")
            + "Times are compared in units of a plain transcode of the same footage in the same round.",
            "",
            "| scenario | start | figure | base | new | ratio | interval | |",
            "| --- | --- | --- | ---: | ---: | ---: | :---: | --- |",
        ]
        for row in self.rows:
            unit, digits = ("MB", 0) if row.metric == "peak memory" else ("s", 2)
            span = "" if row.low is None else f"{row.low:.2f}-{row.high:.2f}"
            said = _SAID[row.verdict] + (f" ({row.where})" if row.where and row.verdict == "slower" else "")
            lines.append(
                f"| {row.scenario} | {row.start} | {row.metric} | {row.base:.{digits}f} {unit} "
                f"| {row.new:.{digits}f} {unit} | {row.ratio:.2f} | {span} | {said} |"
            )
        return "\n".join([*lines, *("", *(f"- {note}" for note in self.notes))]).rstrip() + "\n"


def compare(base: Benchmark, new: Benchmark, max_regression: float, *, across_machines: bool = False) -> Comparison:
    """Judge our own route, cold and warm, in every scenario that both measured.

    Raises InputError for a limit that is none, for other engines, for other machines unless `across_machines`, and
    where nothing is left to compare.
    """
    if not 0 < max_regression < 10:
        raise InputError(f"{max_regression:g} is no limit for a regression", hint="as 10% or 0.1")
    if base.engine.name != new.engine.name:
        raise InputError(
            f"the base measured engine '{base.engine.name}', the new one '{new.engine.name}'",
            hint="measure both with the same --engine",
        )
    notes = _machines(base, new, across_machines=across_machines)
    names, said = _common(base, new)
    pairs: list[tuple[Sequence[Sequence[Trial]], Sequence[dict[int, Trial]]]] = []
    factors: list[float] = []
    for name in names:
        floors = [_floors(b, name) for b in (base, new)]
        if all(floors):
            walls = [statistics.median(t.wall_s for t in f.values()) for f in floors]
            factors.append(walls[1] / walls[0])
        else:
            said.append(f"{name}: no plain transcode was measured with it, so the machine's factor is not taken out")
        for start in ("cold", "warm"):
            pair = [
                [t for t in b.trials if (t.scenario, t.route, t.start) == (name, "ugclab", start)] for b in (base, new)
            ]
            if all(pair):
                pairs.append((pair, floors if all(floors) else [{}, {}]))
            elif any(pair):
                said.append(f"{name}, {start}: only one of the two measured it")
    if not pairs:
        raise InputError("the two results have nothing in common", hint=" · ".join(said) or "run the same scenarios")
    alpha = ALPHA / (len(pairs) * len(_FIGURES))
    rows = [row for pair, floors in pairs for row in _rows(pair, floors, max_regression, alpha)]
    return Comparison(
        base=base.commit[:12] or base.created_at,
        new=new.commit[:12] or new.created_at,
        max_regression=max_regression,
        machine_factor=statistics.median(factors) if factors else None,
        rows=tuple(rows),
        notes=(*notes, *said),
    )


def _machines(base: Benchmark, new: Benchmark, *, across_machines: bool) -> list[str]:
    def identity(benchmark: Benchmark) -> tuple[object, ...]:
        here = benchmark.machine
        return here.environment.cpu, here.environment.cores, tuple(gpu.name for gpu in here.gpus)

    if identity(base) == identity(new):
        return []
    if not across_machines:
        raise InputError(
            f"the base ran on {base.machine}; the new one on {new.machine}",
            hint="measure both on one machine, or add --across-machines, which trusts the floor to make up for it",
        )
    return [f"On two machines, which the floor makes up for in part only: {base.machine}; and {new.machine}."]


def _common(base: Benchmark, new: Benchmark) -> tuple[list[str], list[str]]:
    """Names of scenarios that both measured alike, and what is to be said of the others."""
    old, now = ({s.name: s.digest for s in b.scenarios} for b in (base, new))
    said = [f"{name}: only the base measured it" for name in old if name not in now]
    said += [f"{name}: only the new one measured it" for name in now if name not in old]
    said += [f"{n}: not compared, it was defined otherwise then" for n in old if n in now and old[n] != now[n]]
    return [n for n in old if now.get(n) == old[n]], said


def _floors(benchmark: Benchmark, scenario: str) -> dict[int, Trial]:
    return {t.round: t for t in benchmark.trials if (t.scenario, t.route) == (scenario, "transcode")}


_FIGURES: dict[Metric, Callable[[Trial], float]] = {
    "wall time": lambda t: t.wall_s,
    "CPU time": lambda t: t.cpu_s,
    "peak memory": lambda t: t.peak_rss_mb,
}


def _rows(pair: Sequence[Sequence[Trial]], floors: Sequence[dict[int, Trial]], limit: float, alpha: float) -> list[Row]:
    """Wall time, CPU time and memory of one scenario and start; [base, new] each."""
    rows = []
    for metric, figure in _FIGURES.items():
        values = [
            [
                figure(t) / (figure(floor[t.round]) if metric != "peak memory" and t.round in floor else 1)
                for t in trials
            ]
            for trials, floor in zip(pair, floors, strict=True)
        ]
        ratio = statistics.median(values[1]) / statistics.median(values[0])
        low, high = interval(values[0], values[1], alpha)
        rows.append(
            Row(
                scenario=pair[0][0].scenario,
                start=pair[0][0].start,
                metric=metric,
                base=statistics.median(map(figure, pair[0])),
                new=statistics.median(map(figure, pair[1])),
                ratio=ratio,
                low=low,
                high=high,
                verdict=_verdict(ratio, low, high, limit),
                where=_grown(pair, floors) if metric == "wall time" and ratio > 1 else "",
            )
        )
    return rows


def _verdict(ratio: float, low: float | None, high: float | None, limit: float) -> Verdict:
    if low is None or high is None:
        return "too few"
    if ratio > 1 + limit:
        return "slower" if low > 1 else "noise"
    if ratio < 1 / (1 + limit):
        return "faster" if high < 1 else "noise"
    return "same"


def _grown(pair: Sequence[Sequence[Trial]], floors: Sequence[dict[int, Trial]]) -> str:
    """The step whose time grew most, in units of the floor."""

    def steps(trials: Sequence[Trial], floor: dict[int, Trial]) -> dict[str, float]:
        names = dict.fromkeys(s.step for t in trials for s in t.stages)
        return {
            name: statistics.median(
                sum(s.wall_s for s in t.stages if s.step == name) / (floor[t.round].wall_s if t.round in floor else 1)
                for t in trials
            )
            for name in names
        }

    before, after = (steps(trials, floor) for trials, floor in zip(pair, floors, strict=True))
    grown = {name: after[name] - before.get(name, 0.0) for name in after}
    if not grown:
        return ""
    name = max(grown, key=lambda step: grown[step])
    return f"mostly {name}, {after[name] / before[name]:.2f} times" if before.get(name) else f"mostly {name}, new"


def interval(base: Sequence[float], new: Sequence[float], alpha: float = ALPHA) -> tuple[float | None, float | None]:
    """Ends of the interval that holds the true ratio new/base but for `alpha` on either side.

    Fewer repeats than that takes give the widest there is, and None where even that would err more often than ALPHA.
    They are order statistics of all pairwise ratios; how far in they lie follows from the exact distribution of the
    rank statistic.
    """
    counts = rank_counts(len(base), len(new))
    total = sum(counts)
    if 1 / total > ALPHA:
        return None, None
    inside = max(1, sum(1 for below in accumulate(counts) if below / total <= alpha))
    ratios = sorted(b / a for a in base for b in new)
    return ratios[inside - 1], ratios[-inside]


def rank_counts(first: int, second: int) -> list[int]:
    """Of all orders of two samples, how many have u pairs in which the second is smaller; by u from 0 to first*second.

    The coefficients of the Gaussian binomial: the product over i of (1 - q**(second + i)) / (1 - q**i).
    """
    size = first * second + 1
    counts = [1] + [0] * (size - 1)
    for i in range(1, first + 1):
        step = second + i
        counts = [n - (counts[u - step] if u >= step else 0) for u, n in enumerate(counts)]
        for u in range(i, size):
            counts[u] += counts[u - i]
    return counts
