"""Which engines there are, and whether one can run here.

An engine registers by a constant at the end of its file, `ENGINES = (MeshSwap,)`. Files below `ugclab.engines` are
found by scanning; packages elsewhere name theirs under the entry-point group `ugclab.engines`. Importing a module
changes nothing, and nothing is remembered here: each call looks again.
"""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from difflib import get_close_matches
from importlib import metadata
from types import ModuleType
from typing import cast

import ugclab.engines
from ugclab.engines.base import FaceEngine, Furnished
from ugclab.errors import EngineError, EngineNotFound, EngineUnavailable, WeightsError
from ugclab.schema.base import Frozen
from ugclab.settings import Settings
from ugclab.weights import hub
from ugclab.weights.catalog import CATALOG

GROUP = "ugclab.engines"
"""The entry-point group: `tint = "my_package.tint:ENGINES"`, or a module or a class."""

Engine = type[FaceEngine]


class Availability(Frozen):
    """Whether an engine can run here, and what to type if it cannot."""

    ready: bool
    reason: str = ""
    hint: str = ""
    passing: bool = False
    """It may be ready a moment later: a job is not refused for that, its steps try again."""
    to_fetch_mb: float = 0.0
    """Model files that will be fetched before its first run."""


def catalogue() -> tuple[Engine, ...]:
    """All engines, by name. Raises EngineError where two share a name or a plugin cannot be imported."""
    engines: dict[str, Engine] = {}
    for engine in (*_scanned(), *_plugged_in()):
        name = engine.info.name
        if engines.setdefault(name, engine) is not engine:
            raise EngineError(
                f"two engines are called '{name}': {_place(engines[name])} and {_place(engine)}", hint="uninstall one"
            )
    return tuple(engines[name] for name in sorted(engines))


def offered(settings: Settings) -> list[tuple[Engine, Availability]]:
    """All engines and whether they can run here; those that can come first."""
    known = [(engine, availability(engine, settings)) for engine in catalogue()]
    return sorted(known, key=lambda pair: not pair[1].ready)


def find(name: str) -> Engine:
    """The engine of that name. Raises EngineNotFound, which suggests the nearest one."""
    engines = {engine.info.name: engine for engine in catalogue()}
    if name in engines:
        return engines[name]
    near = get_close_matches(name.lower(), engines, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(engines) or 'none'}"
    raise EngineNotFound(f"no engine is called '{name}'", hint=hint)


def availability(engine: Engine, settings: Settings) -> Availability:
    """Look, without importing anything heavy, whether licences, packages and model files allow a run."""
    info = engine.info
    if settings.commercial_only and info.commercial_use != "yes":
        cleared = ", ".join(e.info.name for e in catalogue() if e.info.commercial_use == "yes")
        return Availability(
            ready=False,
            reason=f"engine '{info.name}' is not cleared for commercial use "
            f"(code {info.licences.code}, weights {info.licences.weights})",
            hint=f"use one that is ({cleared or 'there is none'}), or unset UGCLAB_COMMERCIAL_ONLY",
        )
    if missing := missing_packages(info.extra):
        return Availability(
            ready=False,
            reason=f"engine '{info.name}' needs {', '.join(missing)}",
            hint=f"pip install 'ugclab[{info.extra}]'",
        )
    try:
        absent = [s for s in hub.verify(info.weights, settings.weights_dir) if s.state != "ok"]
    except WeightsError as error:
        return Availability(ready=False, reason=error.message, hint=error.hint)
    if absent and settings.offline:
        return Availability(
            ready=False,
            reason=f"engine '{info.name}' needs {', '.join(s.name for s in absent)}, and fetching is off",
            hint="unset UGCLAB_OFFLINE, then: ugclab models pull",
        )
    if bound := [file for file in (CATALOG[s.name] for s in absent) if file.terms]:
        return Availability(
            ready=False,
            reason=f"engine '{info.name}' needs {', '.join(file.name for file in bound)}, whose licence somebody must "
            f"accept first ({bound[0].licence})",
            hint=hub.accepting(bound),
        )
    if issubclass(engine, Furnished) and (lack := engine.lacking(settings)) is not None:
        return Availability(ready=False, reason=lack.reason, hint=lack.hint, passing=lack.passing)
    return Availability(ready=True, to_fetch_mb=sum(CATALOG[s.name].size_bytes for s in absent) / 2**20)


def require(engine: Engine, settings: Settings) -> None:
    """Raise EngineUnavailable, with what to type, unless the engine can run here, or what it lacks may pass."""
    state = availability(engine, settings)
    if not state.ready and not state.passing:
        raise EngineUnavailable(state.reason, hint=state.hint)


def make(engine: Engine, settings: Settings) -> FaceEngine:
    """An engine with what its operator set; not yet set up."""
    made = engine()
    if isinstance(made, Furnished):
        made.furnish(settings)
    return made


def missing_packages(
    extra: str, requirements: Callable[[str], list[str] | None] = metadata.requires
) -> tuple[str, ...]:
    """Distributions that an extra of this package names and that are not installed.

    Read from our own metadata. A checkout that was never installed has none: then nothing is said to be missing, and
    the engine's own `setup` speaks.
    """
    if not extra:
        return ()
    try:
        lines = requirements("ugclab") or []
    except metadata.PackageNotFoundError:
        return ()
    wanted = [line for line in lines if re.search(rf"""extra\s*==\s*['"]{re.escape(extra)}['"]""", line)]
    names = [match[0] for line in wanted if (match := re.match(r"[A-Za-z0-9._-]+", line))]
    return tuple(name for name in names if not _installed(name))


def _installed(distribution: str) -> bool:
    """Whether it is here, or the build of it for GPUs, which has a name of its own and fills the same folder."""
    for name in (distribution, f"{distribution}-gpu"):
        with suppress(metadata.PackageNotFoundError):
            metadata.distribution(name)
            return True
    return False


def _scanned() -> Iterator[Engine]:
    """Engines in the files and folders below `ugclab.engines`."""
    for found in pkgutil.walk_packages(ugclab.engines.__path__, prefix=f"{ugclab.engines.__name__}."):
        yield from _engines_of(importlib.import_module(found.name), found.name)


def _plugged_in() -> Iterator[Engine]:
    """Engines that other packages name in their metadata."""
    for entry in metadata.entry_points(group=GROUP):
        try:
            loaded = entry.load()
        except Exception as error:
            raise EngineError(
                f"the engine plugin '{entry.name}' ({entry.value}) cannot be imported: {error}",
                hint=f"repair or uninstall {entry.dist.name if entry.dist else entry.value}",
            ) from error
        yield from _engines_of(loaded, entry.value)


def _engines_of(loaded: object, place: str) -> Iterator[Engine]:
    """Read a module with ENGINES, a tuple of classes, or one class."""
    if isinstance(loaded, ModuleType):
        loaded = getattr(loaded, "ENGINES", ())
    for engine in loaded if isinstance(loaded, tuple) else (loaded,):
        if not (isinstance(engine, type) and isinstance(engine, FaceEngine)):
            raise EngineError(f"{place} registers {engine!r}, which is no face engine", hint="see engines/base.py")
        yield cast(Engine, engine)


def _place(engine: Engine) -> str:
    return f"{engine.__module__}.{engine.__qualname__}"
