"""What a step costs: wall time, processor time, memory, and the machine it ran on."""

import os
import platform
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from importlib import metadata
from pathlib import Path

from ugclab.engines.base import Elsewhere
from ugclab.schema.engine import EngineInfo
from ugclab.schema.report import Environment, Measurement

_PACKAGES = ("ai-edge-litert", "av", "ffmpeg-python", "imageio-ffmpeg", "numpy", "opencv-python-headless", "pydantic")
_PROC = Path("/proc/self")
_SAMPLE_S = 0.02  # between two looks at the memory, where the kernel's own high-water mark cannot be reset


@dataclass(slots=True)
class Cost:
    """Figures of a step; complete once its `with` block has ended, frames and media set by whoever knows them."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_rss_mb: float = 0.0
    media_s: Fraction = Fraction(0)
    frames: int = 0
    swapped_frames: int = 0
    reused: bool = False
    elsewhere: Elsewhere | None = None
    """What another machine did of it."""

    def measurement(
        self, step: str, *, segment: int | None = None, engine: EngineInfo | None = None, usd_per_hour: float = 0.0
    ) -> Measurement:
        """The figures under the step's name."""
        other = self.elsewhere
        return Measurement(
            step=step,
            segment=segment,
            engine=(other and other.engine) or (engine.name if engine else ""),
            engine_version=other.engine_version if other else engine.version if engine else "",
            model_version=other.model_version if other else engine.model_version if engine else "",
            device=other.machine if other else "cpu",
            wall_s=self.wall_s,
            cpu_s=self.cpu_s,
            peak_rss_mb=self.peak_rss_mb,
            media_s=self.media_s,
            frames=self.frames,
            swapped_frames=self.swapped_frames,
            cost_usd=self.wall_s * usd_per_hour / 3600 + (other.cost_usd if other else 0.0),
            reused=self.reused,
        )


@contextmanager
def measured() -> Iterator[Cost]:
    """Measure a block: all threads of this process, and the subprocesses that ended meanwhile."""
    cost = Cost()
    with _peak_rss() as peak:
        wall, cpu = time.perf_counter(), _cpu_s()
        try:
            yield cost
        finally:
            cost.wall_s, cost.cpu_s = time.perf_counter() - wall, _cpu_s() - cpu
    cost.peak_rss_mb = peak[0]


def _cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@contextmanager
def _peak_rss() -> Iterator[list[float]]:
    """Give a list whose only element is, afterwards, the largest resident set of the block in MB.

    The kernel keeps a high-water mark that may be set back (proc(5), clear_refs); where it may not, a thread looks.
    """
    peak = [0.0]
    try:
        (_PROC / "clear_refs").write_text("5")
    except OSError:
        with _sampling(peak):
            yield peak
    else:
        yield peak
        with suppress(OSError):
            peak[0] = _high_water_mb()


def _high_water_mb() -> float:
    line = next(s for s in (_PROC / "status").read_text().splitlines() if s.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


@contextmanager
def _sampling(peak: list[float]) -> Iterator[None]:
    page_mb = os.sysconf("SC_PAGE_SIZE") / 2**20
    stop = threading.Event()

    def look() -> None:
        while True:
            with suppress(OSError):
                peak[0] = max(peak[0], int((_PROC / "statm").read_text().split()[1]) * page_mb)
            if stop.wait(_SAMPLE_S):
                return

    thread = threading.Thread(target=look, name="peak-rss", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def environment() -> Environment:
    """Describe this machine and the packages that decide speed and bytes."""
    packages = {}
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            packages[name] = metadata.version(name)
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        memory_mb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        packages=packages,
    )


def _cpu_model() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def version() -> str:
    """The installed version of this package, or of the checkout it runs from."""
    try:
        return metadata.version("ugclab")
    except metadata.PackageNotFoundError:
        return "0.1.0+checkout"
