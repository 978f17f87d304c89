"""How far a job is, told about once a second; the same call says whether the job is still this run's to do."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from ugclab.errors import Cancelled, QueueUnavailable
from ugclab.schema.job import JobProgress

_LOG = logging.getLogger(__name__)
_EVERY_S = 1.0
_WINDOW_S = 8.0
"""Over which frames per second are averaged."""

SHARES = {
    "ingest": (0.0, 4.0),
    "analyse": (4.0, 30.0),
    "swap": (30.0, 90.0),
    "stitch": (90.0, 99.0),
    "publish": (99.0, 100.0),
}
"""Where each stage begins and ends in percent: the embedded engine's shares of the wall time of a 30 s job."""


class Meter:
    """Progress of one run of a job. May be asked from any thread."""

    def __init__(self, write: Callable[[JobProgress], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._lock = threading.Lock()
        self._latest = JobProgress()
        self._told = clock()  # the claim has just said that the job is ours
        self._lost = False
        self._frames: deque[tuple[float, int]] = deque()
        self._swaps: dict[int, int] = {}
        self._plan = ""
        self._begun = clock()
        self._begun_percent: float | None = None

    def plan(self, frames_of_swaps: dict[int, int], written: str = "") -> None:
        """Say which segments will be swapped, and how many frames each has: the scale of the longest stage.

        `written` is the plan as text, for whoever draws it.
        """
        self._swaps, self._plan = dict(frames_of_swaps), written

    def at(self, stage: str, segment: int | None = None, done: int = 0, total: int = 0) -> None:
        """Note how far a stage is; `done` of `total` are frames where there are frames."""
        now = self._clock()
        with self._lock:
            if (stage, segment) != (self._latest.stage, self._latest.segment):
                self._frames.clear()
            self._frames.append((now, done))
            while now - self._frames[0][0] > _WINDOW_S:
                self._frames.popleft()
            again = (stage, segment) == (self._latest.stage, self._latest.segment)
            share = min(1.0, done / total) if total else self._latest.share if again else 0.0
            percent = max(self._latest.percent, self._percent(stage, segment, share))
            if self._begun_percent is None:
                self._begun, self._begun_percent = now, percent
            self._latest = JobProgress(
                percent=round(percent, 1),
                stage=stage,
                segment=segment,
                share=round(share, 3),
                frames_per_s=self._rate(total),
                eta_s=self._eta(now, percent),
                plan=self._plan,
            )
        self.wanted()

    def wanted(self) -> bool:
        """Whether the job is still ours; writes the progress if that was last done a second ago.

        A database that does not answer for a while stops nothing: then nobody else can have taken the job either.
        """
        with self._lock:
            if self._lost:
                return False
            now = self._clock()
            if now - self._told < _EVERY_S:
                return True
            self._told = now
            latest = self._latest
        try:
            kept = self._write(latest)
        except QueueUnavailable as error:
            _LOG.warning("progress cannot be written: %s", error.message)
            return True
        if not kept:
            self._lost = True
        return kept

    def check(self) -> None:
        """Raise Cancelled if the job is no longer ours."""
        if not self.wanted():
            raise Cancelled("cancelled")

    def _percent(self, stage: str, segment: int | None, share: float) -> float:
        start, end = SHARES.get(stage, (self._latest.percent, self._latest.percent))
        if stage == "swap" and self._swaps and segment is not None:
            frames = sum(self._swaps.values()) or 1
            before = sum(n for index, n in self._swaps.items() if index < segment)
            share = (before + share * self._swaps.get(segment, 0)) / frames
        return start + (end - start) * share

    def _rate(self, total: int) -> float | None:
        (t0, f0), (t1, f1) = self._frames[0], self._frames[-1]
        return round((f1 - f0) / (t1 - t0), 1) if total and t1 - t0 >= 0.5 and f1 > f0 else None

    def _eta(self, now: float, percent: float) -> float | None:
        gone = percent - (self._begun_percent or 0.0)
        spent = now - self._begun
        return round(spent * (100.0 - percent) / gone, 1) if gone >= 2 and spent >= 1 else None
