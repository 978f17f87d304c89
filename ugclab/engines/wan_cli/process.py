"""A long subprocess: watched, its log kept, its whole process group gone when it is not wanted any more."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ugclab.errors import EngineError
from ugclab.settings import tool_environment

POLL_S = 0.1
PATIENCE_S = 3.0
"""What a process is given to end by itself before it is killed."""
TAIL = 12
"""Lines of the log that an error carries."""
_BAR = re.compile(r"(\d+)/(\d+) \[")
_MEMORY = re.compile(r"CUDA out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED")
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)


class Bars:
    """Reads progress bars (tqdm) as they are written: how many were finished, and how far the present one is."""

    def __init__(self) -> None:
        self._done = 0
        self._share = 0.0
        self._total = 0

    def read(self, text: str) -> float:
        """Take in more of the log; returns bars finished, with the share of the one that runs."""
        for step, total in ((int(a), int(b)) for a, b in _BAR.findall(text)):
            if total == 0:
                continue
            if step < self._share * self._total:
                self._done += 1
            self._share, self._total = step / total, total
        return self._done + self._share


def run_logged(
    words: Sequence[str], folder: Path, log: Path, told: Callable[[str], None], check: Callable[[], None]
) -> None:
    """Run a command in `folder`, its output into `log`; `told` gets what is new in it, `check` may raise to stop it.

    It is the leader of a process group of its own, which is gone afterwards, however this ends, and it is told none of
    our secrets. Raises EngineError with the log's last lines.
    """
    with log.open("wb") as out, log.open("rb") as reading:
        try:
            process = subprocess.Popen(
                words,
                cwd=folder,
                env=tool_environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise EngineError(f"{words[0]} cannot be started: {error.strerror}", hint="look at its path") from error
        try:
            while process.poll() is None:
                told(reading.read().decode(errors="replace"))
                check()
                time.sleep(POLL_S)
            told(reading.read().decode(errors="replace"))
        finally:
            _end(process)
    if process.returncode:
        raise _failure(Path(words[-1] if len(words) < 3 else words[2]).name, process.returncode, tail(log))


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Stop the whole group: workers of a data loader or of a launcher would go on without their parent."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_S)


def tail(log: Path, lines: int = TAIL) -> str:
    """The last lines of a log, progress bars as they stood at last."""
    text = log.read_text(errors="replace") if log.exists() else ""
    rows = [row.rpartition("\r")[2].rstrip() for row in text.replace("\r\n", "\n").splitlines()]
    return "\n".join([row for row in rows if row][-lines:])


def out_of_memory(text: str) -> bool:
    """Whether a log tells of a GPU whose memory did not suffice."""
    return bool(_MEMORY.search(text))


def _failure(script: str, code: int, text: str) -> EngineError:
    if code in _KILLED:
        what = f"{script} was killed: usually the machine's own memory did not suffice (loading takes about 60 GB)"
        return EngineError(what, hint=f"its last words:\n{text}")
    if code < 0:
        what = f"{script} died of {signal.Signals(-code).name}"
        return EngineError(
            what, hint=f"a segfault of 4090s in the preprocessing is known (T35). Its last words:\n{text}"
        )
    return EngineError(f"{script} failed with exit code {code}", hint=f"its last words:\n{text}")
