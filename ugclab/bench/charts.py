"""Two pictures of a benchmark: where a job's time goes, and how far each road is from the targets."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ugclab.bench.results import START, Benchmark, Summary, summarise
from ugclab.errors import InputError
from ugclab.media.output import whole_file
from ugclab.pipeline.contact_sheet import GROUND, INK, LINE, QUIET, SWAPPED, UNTOUCHED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TARGET_S, TARGET_USD = 300.0, 0.05
"""What the product was started with: five minutes and five cents, of a whole video; a segment must stay far below."""

FORMATS = ("png", "svg")
_WIDTH_IN, _DPI = 10.0, 160
_FONT = {"family": ["DejaVu Sans"]}
_STEPS = (START, "setup", "probe", "extract", "analyse", "swap", "stitch", "merge")
_SHADES = {
    START: (52, 61, 76), "setup": (66, 77, 96), "probe": (66, 77, 96), "extract": (102, 122, 152),
    "analyse": (120, 142, 174), "swap": SWAPPED, "stitch": (158, 178, 206), "merge": (158, 178, 206),
}  # fmt: skip
_ROW_IN = 0.34


def write_charts(benchmark: Benchmark, folder: Path, name: str) -> tuple[Path, ...]:
    """Write NAME-stages and NAME-targets as PNG and SVG. Raises InputError where matplotlib is not installed."""
    try:
        from matplotlib import rc_context
    except ImportError as error:
        raise InputError("charts need matplotlib", hint="pip install 'ugclab[bench]'") from error
    written = []
    with rc_context({"font.family": _FONT["family"], "svg.hashsalt": "ugclab", "svg.fonttype": "none"}):
        for kind, figure in (("stages", draw_stages(benchmark)), ("targets", draw_targets(benchmark))):
            for form in FORMATS:
                path = folder / f"{name}-{kind}.{form}"
                with whole_file(path) as part:
                    plain = {"Date": None} if form == "svg" else {"Software": None}
                    figure.savefig(part, dpi=_DPI, facecolor=figure.get_facecolor(), metadata=plain)
                written.append(path)
    return tuple(written)


def draw_stages(benchmark: Benchmark) -> "Figure":
    """Each road's time by its steps, as shares of the whole: swapping in the signal colour."""
    rows = _rows(s for s in summarise(benchmark) if s.stages)
    words = ("Where the time goes", "share of the wall time, and the whole; medians")
    figure, (axes,), at = _sheet(benchmark, rows, words)
    for y, row in zip(at, rows, strict=True):
        total, left = sum(spread.median for spread in row.stages.values()) or 1.0, 0.0
        for step in sorted(row.stages, key=lambda s: _STEPS.index(s) if s in _STEPS else len(_STEPS)):
            share = row.stages[step].median / total
            axes.barh(y, max(share - 0.002, 0), left=left, height=0.62, color=_rgb(_SHADES.get(step, UNTOUCHED)))
            if share >= 0.075:
                dark = step in {"swap", "stitch", "merge", "analyse"}
                axes.text(
                    left + share / 2, y, f"{step} {share:.0%}", ha="center", va="center", fontsize=8.5,
                    color=_rgb(GROUND if dark else INK),
                )  # fmt: skip
            left += share
        axes.text(1.012, y, _seconds(row.wall_s.median), color=_rgb(INK), fontsize=9, va="center")
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    return figure


def draw_targets(benchmark: Benchmark) -> "Figure":
    """Seconds and, where the machine has a price, cents of a swapped segment, beside the targets."""
    rows = _rows(summarise(benchmark))
    panels = ["seconds per swapped segment, log scale"]
    if benchmark.usd_per_hour:
        panels.append(f"US cents, at ${benchmark.usd_per_hour:g} an hour")
    words = ("How far it is to the targets", *panels)
    figure, sheets, at = _sheet(benchmark, rows, words, note="dots are medians, lines reach from the best to the worst")
    for axes, target, scale, shown in zip(
        sheets,
        (TARGET_S, TARGET_USD * 100),
        (1.0, benchmark.usd_per_hour / 36),
        (_seconds, _cents),
        strict=False,
    ):
        axes.set_xscale("log")
        middles = [row.s_per_segment * scale for row in rows]
        axes.set_xlim(min(middles) / 2.2, max(target, *middles) * 2.6)
        axes.axvline(target, color=_rgb(SWAPPED), linewidth=1.2)
        axes.text(
            target, 1.0, f"target {shown(target)} ", color=_rgb(SWAPPED), fontsize=9, ha="right", va="bottom",
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip
        for y, row, middle in zip(at, rows, middles, strict=True):
            own = row.route == "ugclab"
            colour = _rgb(SWAPPED if own else UNTOUCHED)
            ends = [row.wall_s.low / row.segments * scale, row.wall_s.high / row.segments * scale]
            axes.plot([axes.get_xlim()[0], middle], [y, y], color=_rgb(LINE), linewidth=1, zorder=1)
            axes.plot(ends, [y, y], color=colour, linewidth=2.4, solid_capstyle="round", zorder=2)
            hollow = _rgb(GROUND) if own and row.start == "cold" else colour
            axes.plot(middle, y, "o", color=colour, markersize=7, markerfacecolor=hollow, markeredgewidth=1.6, zorder=3)
            axes.annotate(
                shown(middle), (ends[1], y), (8, 0), textcoords="offset points", va="center", fontsize=9,
                color=_rgb(INK if own else QUIET),
            )  # fmt: skip
        axes.set_xticks([])
        axes.minorticks_off()
    return figure


def _rows(found: Iterable[Summary]) -> list[Summary]:
    order = {"ugclab, warm": 0, "ugclab, cold": 1, "frame by frame": 2, "plain transcode": 3}
    listed = list(found)
    scenarios = list(dict.fromkeys(row.scenario for row in listed))
    return sorted(listed, key=lambda row: (scenarios.index(row.scenario), order.get(row.label, 4)))


def _sheet(
    benchmark: Benchmark, rows: Sequence[Summary], words: Sequence[str], note: str = ""
) -> tuple["Figure", list["Axes"], list[float]]:
    """A dark sheet with a title, a panel for each further word, and each row's place: scenarios set apart."""
    from matplotlib.figure import Figure
    from matplotlib.transforms import blended_transform_factory

    at: list[float] = []
    headings: list[tuple[float, str]] = []
    titles = {scenario.name: scenario.title for scenario in benchmark.scenarios}
    y, last = 0.0, ""
    for row in rows:
        if row.scenario != last:
            y += 1.35 if last else 0.25
            headings.append((y - 0.75, titles.get(row.scenario, row.scenario)))
            last = row.scenario
        at.append(y)
        y += 1
    inches = (1.25, y * _ROW_IN + 0.3, 0.55)  # above, panels, below
    height = sum(inches)
    figure = Figure(figsize=(_WIDTH_IN, height), facecolor=_rgb(GROUND))
    count, left, right, gap = len(words) - 1, 0.185, 0.925, 0.03
    width = (right - left - gap * (count - 1)) / count
    sheets = []
    for number, word in enumerate(words[1:]):
        place = (left + number * (width + gap), inches[2] / height, width, inches[1] / height)
        axes = figure.add_axes(place, facecolor=_rgb(GROUND))
        axes.set_ylim(y - 0.4, -1.0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set_yticks([])
        figure.text(place[0], 1 - 0.92 / height, word, color=_rgb(QUIET), fontsize=10, va="center")
        sheets.append(axes)
    first = sheets[0]
    for place_y, row in zip(at, rows, strict=True):
        colour = INK if row.route == "ugclab" else QUIET
        first.text(
            -0.02, place_y, row.label, color=_rgb(colour), fontsize=9, ha="right", va="center",
            transform=first.get_yaxis_transform(),
        )  # fmt: skip
    beside = blended_transform_factory(figure.transFigure, first.transData)
    for place_y, title in headings:
        first.text(
            0.03, place_y, title, color=_rgb(INK), fontsize=9.5, fontweight="bold", va="center", transform=beside,
            bbox={"facecolor": _rgb(GROUND), "edgecolor": "none", "pad": 3}, zorder=5,
        )  # fmt: skip
    figure.text(0.03, 1 - 0.45 / height, words[0], color=_rgb(INK), fontsize=16, va="center")
    made = f"{benchmark.machine.environment.cpu}, {benchmark.machine.environment.cores} cores"
    gpus = "".join(f", {gpu.name}" for gpu in benchmark.machine.gpus)
    said = f"engine {benchmark.engine.name} on {made}{gpus}" + (f"; {note}" if note else "")
    figure.text(0.03, 0.2 / height, said, color=_rgb(QUIET), fontsize=8.5, va="center")
    return figure, sheets, at


def _rgb(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    return colour[0] / 255, colour[1] / 255, colour[2] / 255


def _seconds(value: float) -> str:
    return f"{value:.0f} s" if value >= 20 else f"{value:.1f} s"


def _cents(value: float) -> str:
    return f"{value:.0f} ¢" if value >= 1 else f"{value:.2g} ¢"
