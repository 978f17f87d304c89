"""What a swap takes and costs, for the page: measured runs, and predictions for every GPU, beside the targets.

The targets are of a whole video. Measured runs come with the package, from `UGCLAB_BENCH_DIR` and from `out/bench`,
where `make bench-run` writes; predictions are for the sample, 30 s of 720p of which two segments of 5 s are swapped.
"""

import datetime
import threading
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from ugclab import sample
from ugclab.bench.charts import TARGET_S, TARGET_USD
from ugclab.bench.estimate import Teller, footage
from ugclab.bench.fit import FULL_STEPS, Fit, Option, fit
from ugclab.bench.prices import FRESH_DAYS
from ugclab.bench.results import Benchmark, Summary, read_benchmark, summarise
from ugclab.bench.setting import Prediction
from ugclab.errors import InputError
from ugclab.media.probe import probe
from ugclab.schema.media import MediaInfo
from ugclab.settings import Settings

FRESH_RUNS = Path("out/bench")
"""Where `make bench-run` writes, below the folder the page was started in."""
SOONEST_S = 180.0
"""The targets say three to five minutes."""
_MOST_FILES, _MOST_MB = 8, 16


class Figures:
    """Reads what there is to be shown; predictions are made once a day, since prices age."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._info: MediaInfo | None = None
        self._predicted: tuple[datetime.date, dict[str, Any]] | None = None

    def shown(self) -> dict[str, Any]:
        """Targets, runs and predictions."""
        runs, skipped = self._runs()
        return {
            "targets": {"seconds": TARGET_S, "soonest_s": SOONEST_S, "usd": TARGET_USD},
            "runs": runs,
            "skipped": skipped,
            "predicted": self._predictions(datetime.date.today()),
        }

    def _runs(self) -> tuple[list[dict[str, Any]], list[str]]:
        shown, skipped = [], []
        for path, origin in self._files():
            try:
                if path.stat().st_size > _MOST_MB << 20:
                    raise InputError(f"{path.name} is larger than {_MOST_MB} MB")
                shown.append(_run(read_benchmark(path), path.stem, origin))
            except InputError as error:
                skipped.append(error.message.replace(str(path), path.name))
            except OSError as error:
                skipped.append(f"{path.name} cannot be read ({error.strerror})")
        return shown, skipped

    def _files(self) -> Iterable[tuple[Path, str]]:
        """Results with where they are from: the newest fresh ones first, then those that come with the package."""
        own = self._settings.bench_folder
        folders = [(FRESH_RUNS, "fresh")] + ([(own.expanduser(), "fresh")] if own else [])
        for folder, origin in folders:
            found = sorted(folder.glob("bench*.json"), key=lambda path: -path.stat().st_mtime)
            yield from ((path, origin) for path in found[:_MOST_FILES])
        packaged = Path(str(resources.files("ugclab.bench.data").joinpath("results")))
        yield from ((path, "committed") for path in sorted(packaged.glob("bench-*.json")))

    def _predictions(self, today: datetime.date) -> dict[str, Any]:
        with self._lock:
            if self._predicted is None or self._predicted[0] != today:
                self._info = self._info or probe(sample.CLIP)
                self._predicted = (today, predictions(self._info, self._settings, today))
            return self._predicted[1]


def predictions(info: MediaInfo, settings: Settings, today: datetime.date) -> dict[str, Any]:
    """What every GPU is predicted to take, in three ways of using it, and what meets both targets."""
    given = footage(info, "default")
    teller = Teller.of(settings)
    found = fit(
        given,
        teller,
        budget_usd=TARGET_USD,
        deadline_s=TARGET_S,
        usd_per_hour=settings.usd_per_hour,
        today=today,
    )
    stale = sorted({o.prediction.price.date for o in found.options if o.prediction.price and o.prediction.price.stale})
    dates = sorted({o.prediction.price.date for o in found.options if o.prediction.price and o.prediction.price.date})
    return {
        "footage": {
            "seconds": float(info.duration),
            "width": info.width,
            "height": info.height,
            "rate": float(info.frame_rate),
            "segments": len(given.plan.swaps),
            "swapped_s": given.swapped_s,
        },
        "ways": {
            "cheapest": [_option(o) for o in cheapest(found)],
            "full": [_option(o) for o in full(found)],
            "official": [_option(o) for o in official(found)],
        },
        "others": [_option(o) for o in found.options if o.prediction.setting.provision in ("own", "hosted")],
        "met": len(found.met),
        "of": len(found.options),
        "best": _option(found.met[0]) if found.met else None,
        "nearest": _option(found.nearest) if found.nearest else None,
        "unpredicted": list(found.unpredicted),
        "prices": {"from": dates[0], "to": dates[-1], "stale": len(stale), "fresh_days": FRESH_DAYS} if dates else None,
        "utilisation": teller.utilisation,
    }


def cheapest(found: Fit) -> list[Option]:
    """Of every GPU and way to rent it the cheapest that meets both targets; where none does, the cheapest there is."""
    best: dict[tuple[str, str], Option] = {}
    for option in found.options:  # the cheapest first
        place = _place(option)
        if place and (place not in best or (option.meets_both and not best[place].meets_both)):
            best[place] = option
    return list(best.values())


def full(found: Fit) -> list[Option]:
    """Of every GPU and way to rent it the cheapest that gives nothing up: whole picture, 20 steps, 16 bits."""
    return _each(o for o in found.options if not o.prediction.gives_up and o.prediction.setting.state == "warm")


def official(found: Fit) -> list[Option]:
    """The official command line: everything at its best, and the model read anew for every segment."""
    return _each(
        o
        for o in found.options
        if o.prediction.setting.state == "reload"
        and o.prediction.setting.steps == FULL_STEPS
        and not o.prediction.gives_up
    )


def _each(found: Iterable[Option]) -> list[Option]:
    best: dict[tuple[str, str], Option] = {}
    for option in found:
        if place := _place(option):
            best.setdefault(place, option)
    return list(best.values())


def _place(option: Option) -> tuple[str, str] | None:
    setting = option.prediction.setting
    return (setting.gpu, setting.provision) if setting.gpu else None


def _option(option: Option) -> dict[str, Any]:
    found: Prediction = option.prediction
    setting = found.setting
    segments = [s for s in found.segments if s.seconds]
    per = len(found.segments) or 1
    return {
        "engine": setting.engine,
        "gpu": setting.gpu,
        "provision": setting.provision,
        "how": _how(found),
        "seconds": found.seconds,
        "usd": found.usd,
        "segment_s": found.seconds / per if found.seconds is not None and segments else None,
        "segment_usd": found.usd / per if found.usd is not None else None,
        "rests_on": found.weakest,
        "gives_up": list(found.gives_up),
        "lacks": list(option.lacks),
        "meets_budget": option.meets_budget,
        "meets_deadline": option.meets_deadline,
        "price_date": found.price.date if found.price else "",
        "price_stale": bool(found.price and found.price.stale),
        "warnings": list(found.warnings),
    }


def _how(found: Prediction) -> str:
    setting = found.setting
    if not setting.steps:
        return {"own": "on this machine", "hosted": "a hosted service"}.get(setting.provision, "")
    rate = f"{float(setting.frame_rate):.4g} frames/s"
    return f"{setting.picture}, {rate}, {setting.steps} steps, {setting.precision}, {setting.state}"


def _run(benchmark: Benchmark, name: str, origin: str) -> dict[str, Any]:
    """A measured run: the machine, and every road through every scenario."""
    machine = benchmark.machine
    titles = {scenario.name: scenario.title for scenario in benchmark.scenarios}
    return {
        "name": name,
        "origin": origin,
        "created_at": benchmark.created_at,
        "engine": benchmark.engine.name,
        "version": benchmark.engine.version,
        "commit": benchmark.commit[:10],
        "device": machine.gpus[0].name if machine.gpus else machine.environment.cpu,
        "gpu": bool(machine.gpus),
        "cores": machine.environment.cores,
        "usd_per_hour": benchmark.usd_per_hour,
        "rows": [_row(row, titles.get(row.scenario, row.scenario)) for row in summarise(benchmark)],
    }


def _row(row: Summary, title: str) -> dict[str, Any]:
    priced = bool(row.usd_per_hour)
    return {
        "scenario": row.scenario,
        "title": title,
        "label": row.label,
        "ours": row.route == "ugclab",
        "repeats": row.repeats,
        "segments": row.segments,
        "seconds": row.wall_s.median,
        "low_s": row.wall_s.low,
        "high_s": row.wall_s.high,
        "cpu_s": row.cpu_s.median,
        "peak_mb": row.peak_rss_mb.median,
        "vram_mb": row.peak_vram_mb,
        "rtf": row.rtf,
        "segment_s": row.s_per_segment,
        "usd": row.usd if priced else None,
        "segment_usd": row.usd_per_segment if priced else None,
    }
