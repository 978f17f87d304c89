"""The catalogue of engines and their model files, as a page shows it: what is here, what is missing, what to type."""

import shutil
from pathlib import Path
from typing import Any

from ugclab.engines import registry
from ugclab.entrypoints.ui.pulls import Pulls
from ugclab.errors import EngineNotFound, WeightsError
from ugclab.settings import Settings
from ugclab.wan.checkpoint import verify as verify_checkpoint
from ugclab.wan.manifest import REPLACEMENT, manifest
from ugclab.wan.pull import NAME as CHECKPOINT
from ugclab.weights import hub
from ugclab.weights.catalog import CATALOG


class Shelf:
    """What can swap, from the registry and the catalogue of model files alone: a new engine needs nothing here."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pulls = Pulls(settings)

    def shown(self, *, may_pull: bool) -> dict[str, Any]:
        """Everything, with what is being fetched or verified; what can run here comes first."""
        return {
            "may_pull": may_pull,
            "offline": self.settings.offline,
            "commercial_only": self.settings.commercial_only,
            "engines": [self._engine(*offer) for offer in registry.offered(self.settings)],
            "checkpoint": self._checkpoint(),
            "pulls": self.pulls.shown(),
        }

    def files_of(self, name: str) -> tuple[str, ...]:
        """Model files of an engine, or the one name of the checkpoint. Raises EngineNotFound, WeightsError."""
        if name == CHECKPOINT:
            return (CHECKPOINT,)
        weights = registry.find(name).info.weights
        if not weights:
            raise WeightsError(f"engine '{name}' has no model files", hint="it is ready as it is")
        return weights

    def start(self, name: str, *, fetch: bool, accepted: bool = False) -> dict[str, Any]:
        """Begin to fetch or to verify. Raises LimitReached where too much goes on, and as `files_of`."""
        return self.pulls.start(name, self.files_of(name), fetch=fetch, accepted=accepted)

    def cancel(self, name: str) -> dict[str, Any]:
        """Stop it; what has arrived is kept. Raises EngineNotFound for what is not going on."""
        found = self.pulls.cancel(name)
        if found is None:
            raise EngineNotFound(f"nothing of '{name[:40]}' is being fetched or verified", hint="it has ended")
        return found

    def _engine(self, engine: registry.Engine, state: registry.Availability) -> dict[str, Any]:
        info, clean = engine.info, self.pulls.without_paths
        return info.model_dump(mode="json") | {
            "availability": state.model_dump(mode="json") | {"reason": clean(state.reason), "hint": clean(state.hint)},
            "files": [self._file(name) for name in info.weights],
        }

    def _file(self, name: str) -> dict[str, Any]:
        known = CATALOG.get(name)
        if known is None:
            return {"name": name, "size_bytes": 0, "licence": "", "terms": "", "sources": [], "state": "unknown"}
        try:
            (status,) = hub.verify([name], self.settings.weights_dir)
            state: str = status.state
        except WeightsError:
            state = "cannot be read"
        return {
            "name": name,
            "size_bytes": known.size_bytes,
            "licence": known.licence,
            "terms": known.terms,
            "sources": [str(source) for source in known.sources],
            "sha256": known.sha256,
            "state": state,
        }

    def _checkpoint(self) -> dict[str, Any]:
        """The one that is no single file; here it is looked at by sizes and headers only."""
        folder, expected = self.settings.weights_dir / CHECKPOINT, manifest()
        report = verify_checkpoint(folder, REPLACEMENT) if folder.is_dir() else None
        return {
            "name": CHECKPOINT,
            "repository": expected.repository,
            "revision": expected.revision[:10],
            "size_bytes": expected.replacement_bytes,
            "state": "absent" if report is None else "ok" if report.whole else "not whole",
            "present_bytes": report.present_bytes if report else 0,
            "free_bytes": _free_bytes(folder),
        }


def _free_bytes(folder: Path) -> int:
    """On the disk that the folder is on, or will be."""
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    return shutil.disk_usage(there).free
