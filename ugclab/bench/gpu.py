"""What nvidia-smi tells of the GPUs: who they are, and how busy and full they were while something ran."""

import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from ugclab.schema.base import Frozen

PROGRAM = "nvidia-smi"
LOOK_MS = 100


class Gpu(Frozen):
    """A GPU of this machine."""

    name: str
    driver: str
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Load:
    """One look at one GPU: its memory in use by all processes, and the share of time it was busy."""

    at: float
    """time.monotonic()"""
    memory_mb: float
    percent: float | None
    """None where nvidia-smi does not say (MIG)."""


def list_gpus(program: str = PROGRAM) -> tuple[Gpu, ...]:
    """The GPUs; none where there is no driver."""
    query = [program, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    found = []
    for line in said.splitlines():
        name, driver, memory = (part.strip() for part in line.rsplit(",", 2))
        found.append(Gpu(name=name, driver=driver, memory_mb=int(memory) if memory.isdigit() else 0))
    return tuple(found)


@dataclass(slots=True)
class GpuWatch:
    """Looks several times a second while the `with` block runs; sees nothing where there is no nvidia-smi."""

    program: str = PROGRAM
    loads: list[Load] = field(default_factory=list)
    _process: subprocess.Popen[str] | None = None
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        query = ["--query-gpu=index,memory.used,utilization.gpu", "--format=csv,noheader,nounits"]
        with suppress(OSError):
            self._process = subprocess.Popen(
                [self.program, *query, f"--loop-ms={LOOK_MS}"],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            self._thread = threading.Thread(target=self._read, name="gpu-watch", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._thread is not None:
            self._process.terminate()
            self._thread.join()
            self._process.wait()

    def peak_memory_mb(self, start: float, end: float) -> float:
        """The largest memory seen between two times of time.monotonic(); 0 where nobody looked."""
        return max((load.memory_mb for load in self.loads if start <= load.at <= end), default=0.0)

    def mean_percent(self, start: float, end: float) -> float | None:
        """Mean utilisation of all GPUs between two times; None where nobody looked or nothing was said."""
        seen = [load.percent for load in self.loads if start <= load.at <= end and load.percent is not None]
        return sum(seen) / len(seen) if seen else None

    def _read(self) -> None:
        assert self._process is not None  # noqa: S101 started before the thread
        assert self._process.stdout is not None  # noqa: S101 a pipe was asked for
        with self._process.stdout as lines:
            for line in lines:
                _, memory, percent = (_number(part) for part in [*line.split(","), "", ""][:3])
                if memory is not None:
                    self.loads.append(Load(time.monotonic(), memory, percent))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # [N/A], [Not Supported], a driver's warning
        return None
