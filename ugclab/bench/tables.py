"""A benchmark as Markdown: what each road took, and where its time went."""

from collections.abc import Iterable, Sequence

from ugclab.bench.results import Benchmark, Spread, Summary, summarise


def to_markdown(benchmark: Benchmark) -> str:
    """The machine, a table of roads by scenario, and one of their steps."""
    listed = summarise(benchmark)
    priced = f", at ${benchmark.usd_per_hour:g} an hour" if benchmark.usd_per_hour else ""
    commit = f", commit {benchmark.commit[:12]}" if benchmark.commit else ""
    packages = ", ".join(f"{name} {number}" for name, number in benchmark.machine.environment.packages.items())
    return "\n".join(
        [
            "# Benchmark",
            "",
            f"{benchmark.created_at}: engine {benchmark.engine.name} {benchmark.engine.version}, "
            f"ugclab {benchmark.ugclab_version}{commit}.",
            f"{benchmark.machine}; {benchmark.machine.environment.platform}, FFmpeg {benchmark.machine.ffmpeg}, "
            f"{packages}; load {benchmark.machine.load:g} before{priced}.",
            "",
            "Median of the repeats, and how far the farthest lies from it. A cold start is a fresh process with a",
            "fresh data folder, a warm one has the engine loaded; both swap everything anew. The plain transcode is",
            "FFmpeg's, of the whole footage: the floor.",
            "",
            *roads_table(benchmark, listed),
            "",
            "## Where the time goes",
            "",
            "Wall seconds, over all segments.",
            "",
            *steps_table(listed),
            "",
        ]
    )


def roads_table(benchmark: Benchmark, listed: Sequence[Summary] | None = None) -> list[str]:
    """A row a road: time, processor time, memory, rates, price."""
    listed = summarise(benchmark) if listed is None else listed
    floors = {row.scenario: row.wall_s.median for row in listed if row.route == "transcode"}
    gpus = bool(benchmark.machine.gpus)
    head = ["scenario", "road", "n", "wall s", "of the floor", "CPU s", "peak MB", "frames/s", "rtf", "s per segment"]
    head += ["USD per segment"] if benchmark.usd_per_hour else []
    head += ["VRAM MB", "GPU %"] if gpus else []
    rows = []
    for row in listed:
        cells = [
            row.scenario,
            row.label,
            row.repeats,
            _spread(row.wall_s),
            f"{row.wall_s.median / floors[row.scenario]:.2f}" if row.scenario in floors else "",
            _spread(row.cpu_s),
            f"{row.peak_rss_mb.median:.0f}",
            f"{row.frames_per_s:.0f}",
            f"{row.rtf:.2f}",
            f"{row.s_per_segment:.1f}",
        ]
        cells += [f"{row.usd_per_segment:.5f}"] if benchmark.usd_per_hour else []
        cells += (
            [f"{row.peak_vram_mb:.0f}", "" if row.gpu_percent is None else f"{row.gpu_percent:.0f}"] if gpus else []
        )
        rows.append(cells)
    return _table(head, rows, words=2)


def steps_table(listed: Sequence[Summary]) -> list[str]:
    """A row a road, a column a step."""
    with_steps = [row for row in listed if row.stages]
    steps = list(dict.fromkeys(step for row in with_steps for step in row.stages))
    return _table(
        ["scenario", "road", *steps],
        (
            [row.scenario, row.label, *(f"{row.stages[s].median:.2f}" if s in row.stages else "" for s in steps)]
            for row in with_steps
        ),
        words=2,
    )


def _spread(spread: Spread) -> str:
    return f"{spread.median:.1f}" + (f" ± {spread.percent:.0f} %" if spread.high > spread.low else "")


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], *, words: int) -> list[str]:
    """Lines of a Markdown table whose first columns are words, the others numbers."""
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return [f"| {' | '.join(map(str, cells))} |" for cells in (head, rule, *rows)]
