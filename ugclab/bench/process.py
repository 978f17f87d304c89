"""What a process costs, from its start to its end: wall, processor time, memory, and what it printed."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ugclab.errors import Cancelled, EngineError

_LOOK_S = 0.02  # between two looks at the memory; the kernel's own high-water mark is read, so peaks are not missed


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that ended well."""

    wall_s: float
    cpu_s: float
    """Of it and of the programs it waited for."""
    peak_rss_mb: float
    """Of it alone, in MB of 2**20 bytes."""
    output: bytes


def run_measured(command: Sequence[str], *, cancelled: Callable[[], bool] = lambda: False) -> Ended:
    """Run a command and measure it. Raises EngineError with its last line, Cancelled if it is no longer wanted.

    Peak memory is the kernel's VmHWM: ru_maxrss starts at what the parent holds when it forks.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors) as process:
            peak = _watch(process, cancelled)
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            raise EngineError(f"{Path(command[0]).name} failed: {last_line(errors.read())}")
        return Ended(wall, usage.ru_utime + usage.ru_stime, peak, output.read())


def last_line(said: bytes) -> str:
    """The last line of what a program wrote, for a message."""
    return (said.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]


def _watch(process: subprocess.Popen[bytes], cancelled: Callable[[], bool]) -> float:
    """Wait until the process has ended, without collecting it; gives its largest resident set in MB."""
    peak = 0
    status = Path(f"/proc/{process.pid}/status")
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        with suppress(OSError):
            lines = status.read_text().splitlines()
            peak = max(peak, *(int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
        if cancelled():
            process.kill()
            process.wait()
            raise Cancelled("cancelled")
        time.sleep(_LOOK_S)
    return peak / 1024
