"""What is here, what is missing, and what to type: the checks behind `ugclab doctor`."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Literal

from ugclab.engines import registry
from ugclab.engines.remote import place
from ugclab.errors import QueueError, UgclabError
from ugclab.jobs.database import Database, check_sqlite
from ugclab.jobs.heartbeat import Heartbeats
from ugclab.pipeline.measure import environment
from ugclab.schema.base import Frozen
from ugclab.settings import Settings
from ugclab.storage.opening import open_store
from ugclab.weights import hub
from ugclab.weights.catalog import CATALOG

LEAST_FREE_MB = 2048
"""Room for the work on a few minutes of 1080p."""


class Check(Frozen):
    """One line of the doctor's."""

    name: str
    state: Literal["ok", "note", "missing"]
    detail: str
    hint: str = ""


def examine(settings: Settings) -> list[Check]:
    """Look at everything a run needs. Nothing is fetched or changed."""
    return [
        *_python(),
        *_ffmpeg(),
        *_machine(settings),
        *_gpu(),
        *_weights(settings),
        *_engines(settings),
        *_other_machine(settings),
        *_queue(settings),
        *_store(settings),
    ]


def _python() -> Iterator[Check]:
    version = sys.version.split()[0]
    good = (3, 11) <= sys.version_info[:2] < (3, 13)
    yield Check(
        name="python",
        state="ok" if good else "missing",
        detail=f"{version} at {sys.executable}",
        hint="" if good else "use Python 3.11 or 3.12",
    )
    here, missing = [], []
    for name in _required():
        try:
            here.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    yield Check(
        name="packages",
        state="missing" if missing else "ok",
        detail=f"missing: {', '.join(missing)}" if missing else ", ".join(here),
        hint="pip install ugclab" if missing else "",
    )
    try:
        check_sqlite()
    except QueueError as error:
        yield Check(name="sqlite", state="note", detail=error.message, hint=error.hint)
    else:
        yield Check(name="sqlite", state="ok", detail=sqlite3.sqlite_version)


def _required() -> list[str]:
    """Packages the base needs; of an uninstalled checkout those that decide a run."""
    try:
        lines = [line for line in metadata.requires("ugclab") or [] if "extra ==" not in line]
    except metadata.PackageNotFoundError:
        return ["ai-edge-litert", "av", "ffmpeg-python", "imageio-ffmpeg", "numpy", "opencv-python-headless"]
    return [re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in lines]


def _ffmpeg() -> Iterator[Check]:
    import av

    encoders = [name for name in ("libx264", "libx265") if name in av.codecs_available]
    yield Check(
        name="encoders",
        state="ok" if len(encoders) == 2 else "missing",
        detail=f"PyAV {av.__version__} with {', '.join(encoders) or 'neither libx264 nor libx265'}",
        hint="" if len(encoders) == 2 else "install PyAV from its wheel: pip install --force-reinstall av",
    )
    try:
        import imageio_ffmpeg

        binary = imageio_ffmpeg.get_ffmpeg_exe()
        lines = subprocess.run([binary, "-version"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (ImportError, RuntimeError, OSError, subprocess.SubprocessError) as error:
        yield Check(name="ffmpeg", state="missing", detail=str(error), hint="pip install imageio-ffmpeg")
        return
    licence = "GPL" if "--enable-gpl" in lines else "LGPL"
    version = lines.split(" Copyright")[0].removeprefix("ffmpeg version ")
    yield Check(name="ffmpeg", state="ok", detail=f"{version}, {licence}, called as a program: {binary}")


def _machine(settings: Settings) -> Iterator[Check]:
    here = environment()
    yield Check(name="processor", state="ok", detail=f"{here.cpu}, {here.cores} cores to use")
    available = here.memory_mb
    for line in Path("/proc/meminfo").read_text().splitlines() if Path("/proc/meminfo").exists() else ():
        if line.startswith("MemAvailable:"):
            available = int(line.split()[1]) // 1024
    yield Check(
        name="memory",
        state="ok" if available >= 1024 else "note",
        detail=f"{available} MB of {here.memory_mb} MB available",
        hint="" if available >= 1024 else "close something: a run wants about 0.5 GB",
    )
    for name, folder in (("data", settings.data_dir.expanduser()), ("cache", settings.cache_dir.expanduser())):
        there = next(p for p in (folder, *folder.parents) if p.exists())
        free = shutil.disk_usage(there).free // 2**20
        writable = os.access(there, os.W_OK)
        variable = f"set UGCLAB_{name.upper()}_DIR to another folder"
        yield Check(
            name=f"{name} folder",
            state="missing" if not writable else "ok" if free >= LEAST_FREE_MB else "note",
            detail=f"{folder}, {free} MB free" + ("" if writable else ", not writable"),
            hint="" if writable and free >= LEAST_FREE_MB else variable,
        )


def _gpu() -> Iterator[Check]:
    program = shutil.which("nvidia-smi")
    if program is None:
        yield Check(name="gpu", state="note", detail="none seen; the mesh engine needs none")
        return
    query = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        yield Check(name="gpu", state="note", detail=f"nvidia-smi fails: {error}", hint="reinstall the NVIDIA driver")
        return
    yield Check(name="gpu", state="ok", detail="; ".join(done.stdout.strip().splitlines()))
    if "onnxruntime" in _distributions() and "onnxruntime-gpu" not in _distributions():
        yield Check(
            name="onnxruntime",
            state="note",
            detail="the build for CPUs: the engine inswapper will not start beside a GPU that it cannot use",
            hint="pip uninstall onnxruntime && pip install 'ugclab[inswapper-gpu]', or CUDA_VISIBLE_DEVICES=''",
        )


def _distributions() -> set[str]:
    return {str(found.metadata["Name"]).lower() for found in metadata.distributions()}


def _weights(settings: Settings) -> Iterator[Check]:
    needed = [name for name, file in CATALOG.items() if file.used_by and not file.terms]
    try:
        states = hub.verify(needed, settings.weights_dir)
    except UgclabError as error:
        yield Check(name="model files", state="missing", detail=error.message, hint=error.hint)
        return
    wrong = [f"{s.name} ({s.state})" for s in states if s.state != "ok"]
    yield Check(
        name="model files",
        state="note" if wrong else "ok",
        detail=f"{len(states) - len(wrong)} of {len(states)} whole in {settings.weights_dir}"
        + (f"; {', '.join(wrong)}" if wrong else ""),
        hint="they are fetched on first use, or now: ugclab models pull" if wrong else "",
    )


def _engines(settings: Settings) -> Iterator[Check]:
    for engine in registry.catalogue():
        state = registry.availability(engine, settings)
        yield Check(
            name=f"engine {engine.info.name}",
            state="ok" if state.ready else "note",
            detail=state.reason or f"ready, version {engine.info.version}",
            hint=state.hint,
        )


def _other_machine(settings: Settings) -> Iterator[Check]:
    if not settings.remote_url:
        return
    lack = place.lacking(settings)
    if lack is not None:
        yield Check(name="other machine", state="missing", detail=lack.reason, hint=lack.hint)
    else:
        yield Check(name="other machine", state="ok", detail=place.glance(settings).words)


def _queue(settings: Settings) -> Iterator[Check]:
    where = "Postgres" if settings.database_url else settings.queue_url.removeprefix("sqlite:///")
    if not settings.database_url and not Path(where).exists():
        yield Check(name="queue", state="note", detail="no job was ever submitted here")
        return
    database = Database(settings.queue_url)
    try:
        found = Heartbeats(database).list()
    except UgclabError as error:
        yield Check(name="queue", state="missing", detail=error.message, hint=error.hint)
        return
    finally:
        database.close()
    alive = [w for w in found if w.state in ("alive", "draining") and w.silent_s < settings.takeover_s]
    yield Check(
        name="queue",
        state="ok" if alive else "note",
        detail=f"{where}; {len(alive)} workers, {sum(w.slots for w in alive)} jobs at once",
        hint="" if alive else "start one: ugclab worker",
    )


def _store(settings: Settings) -> Iterator[Check]:
    where = f"bucket {settings.s3_bucket}" if settings.s3_bucket else str(settings.store_dir)
    try:
        open_store(settings).exists("doctor")
    except UgclabError as error:
        yield Check(name="store", state="missing", detail=error.message, hint=error.hint)
    else:
        yield Check(name="store", state="ok", detail=where)
