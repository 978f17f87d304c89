"""Model files fetched or verified behind the page: one thread each, few at a time, with progress and a way to stop.

What was going on is forgotten with the process: what has arrived lies on the disk, and the next one goes on from there.
"""

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from ugclab.errors import Cancelled, LimitReached, UgclabError, WeightsCorrupt
from ugclab.settings import Settings
from ugclab.wan.checkpoint import verify as verify_checkpoint
from ugclab.wan.manifest import REPLACEMENT
from ugclab.wan.pull import NAME as CHECKPOINT
from ugclab.wan.pull import pull_wan_animate
from ugclab.weights import hub
from ugclab.weights.catalog import CATALOG

_LOG = logging.getLogger(__name__)
_AT_ONCE = 2
"""Disks and lines are not made faster by more."""

State = Literal["running", "done", "failed", "cancelled"]


@dataclass(slots=True)
class _Pull:
    name: str
    kind: Literal["pull", "verify"]
    total_bytes: int
    accepted: bool = False
    state: State = "running"
    arrived: dict[str, int] = field(default_factory=dict)
    file: str = ""
    message: str = ""
    hint: str = ""
    started: float = field(default_factory=time.monotonic)
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def shown(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "state": self.state,
            "file": self.file,
            "done_bytes": sum(self.arrived.values()),
            "total_bytes": self.total_bytes,
            "seconds": round(time.monotonic() - self.started, 1),
            "stopping": self.stop.is_set() and self.state == "running",
            "message": self.message,
            "hint": self.hint,
        }


class Pulls:
    """What is being fetched or verified, by the name of the engine or checkpoint."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._known: dict[str, _Pull] = {}

    def shown(self) -> dict[str, dict[str, Any]]:
        """Those that run, and how the last one of each name ended."""
        with self._lock:
            return {name: pull.shown() for name, pull in self._known.items()}

    def start(self, name: str, files: tuple[str, ...], *, fetch: bool, accepted: bool = False) -> dict[str, Any]:
        """Begin; of a name that is being worked on already, that one. Raises LimitReached."""
        with self._lock:
            running = [pull for pull in self._known.values() if pull.state == "running"]
            if (same := self._known.get(name)) in running and same is not None:
                return same.shown()
            if len(running) >= _AT_ONCE:
                raise LimitReached("other model files are being fetched", hint="wait for them, or stop one")
            total = sum(CATALOG[file].size_bytes for file in files if file in CATALOG)
            pull = self._known[name] = _Pull(name, "pull" if fetch else "verify", total, accepted)
            pull.thread = threading.Thread(target=self._work, args=(pull, files), name=f"pull-{name}", daemon=True)
            pull.thread.start()
            return pull.shown()

    def cancel(self, name: str) -> dict[str, Any] | None:
        """Ask it to stop; None where nothing runs."""
        with self._lock:
            pull = self._known.get(name)
            if pull is None or pull.state != "running":
                return None
            pull.stop.set()
            return pull.shown()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End all, as the page does."""
        with self._lock:
            running = [pull for pull in self._known.values() if pull.state == "running"]
        for pull in running:
            pull.stop.set()
        for pull in running:
            if pull.thread:
                pull.thread.join(timeout_s)

    def without_paths(self, text: str) -> str:
        """A sentence without places of this machine."""
        places = {
            str(self._settings.weights_dir): "the folder of model files",
            str(self._settings.cache_dir.expanduser()): "the cache folder",
        }
        for place, words in places.items():
            text = text.replace(place, words)
        return text

    def _work(self, pull: _Pull, files: tuple[str, ...]) -> None:
        """Do it, and note how it ended. Nobody waits for this thread, so nothing may leave it."""
        state: State = "failed"
        try:
            (self._fetch if pull.kind == "pull" else self._verify)(pull, files)
            state = "done"
        except Cancelled:
            state, pull.message = "cancelled", "stopped; what has arrived is kept"
        except UgclabError as error:
            pull.message, pull.hint = self.without_paths(error.message), self.without_paths(error.hint)
        except Exception:
            _LOG.exception("fetching or verifying %s failed", pull.name)
            pull.message, pull.hint = "something went wrong on our side", "the log of the page has it"
        pull.state = state

    def _fetch(self, pull: _Pull, files: tuple[str, ...]) -> None:
        def heard(name: str, done: int, total: int) -> None:
            if pull.stop.is_set():
                raise Cancelled("stopped")
            pull.file, pull.arrived[name] = name, done
            if name not in CATALOG:
                pull.total_bytes = max(pull.total_bytes, sum(pull.arrived.values()) - done + total)

        settings = self._settings
        single = [file for file in files if file != CHECKPOINT]
        if single:
            whole = [s for s in hub.verify(single, settings.weights_dir) if s.state == "ok"]
            pull.arrived.update({s.name: s.size_bytes for s in whole})
            hub.ensure(
                single,
                settings.weights_dir,
                offline=settings.offline,
                accepted=pull.accepted,
                budget_s=hub.budget_for(single),
                mirror=settings.weights_mirror,
                on_progress=heard,
            )
        if CHECKPOINT in files:
            pull_wan_animate(settings.weights_dir / CHECKPOINT, offline=settings.offline, progress=heard)
        pull.message = "everything is here and whole"

    def _verify(self, pull: _Pull, files: tuple[str, ...]) -> None:
        wrong = []
        for file in files:
            if pull.stop.is_set():
                raise Cancelled("stopped")
            pull.file = file
            if file == CHECKPOINT:
                folder = self._settings.weights_dir / CHECKPOINT
                whole = folder.is_dir() and verify_checkpoint(folder, REPLACEMENT).whole
                wrong += [] if whole else [f"{file} ({'not whole' if folder.is_dir() else 'absent'})"]
                continue
            (status,) = hub.verify([file], self._settings.weights_dir, afresh=True)
            wrong += [] if status.state == "ok" else [f"{file} ({status.state})"]
            pull.arrived[file] = CATALOG[file].size_bytes
        if wrong:
            raise WeightsCorrupt(f"not whole: {', '.join(wrong)}", hint="fetch them")
        pull.message = "sizes and hashes are the catalogue's"
