"""Whether a worker can work at all: looked at once, before it takes a job. An unfit one exits, and another is started.

What fails here would fail in each job, after its download or after its GPU time was paid.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from ugclab.engines import registry
from ugclab.entrypoints.serverless.orders import CALLER
from ugclab.entrypoints.serverless.performing import Performer
from ugclab.errors import EngineUnavailable, OutputError, StoreError, UgclabError
from ugclab.settings import Settings
from ugclab.storage import paths

LEAST_FREE_MB = 2048
"""Room for the source, the result and the segments of a few minutes of 1080p."""

_GPUS = Path("/proc/driver/nvidia/gpus")

Check = Callable[[], None]


def room_on_disk(settings: Settings, least_mb: int = LEAST_FREE_MB) -> None:
    """Raise OutputError where the work has no room."""
    folder = settings.data_dir.expanduser()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(there).free // 2**20
    if free < least_mb:
        raise OutputError(
            f"{free} MB are free for the work, {least_mb} are needed", hint="give the container a larger disk"
        )


def store_takes(performer: Performer) -> None:
    """Raise StoreError where results cannot be written, or could not be fetched by anybody."""
    settings = performer.settings
    if not (settings.s3_bucket and settings.s3_direct) and not settings.public_prefix:
        raise StoreError(
            "there is no store: what is made would go with this worker",
            hint="set UGCLAB_S3_BUCKET and the store's credentials, or UGCLAB_PUBLIC_PREFIX where the data folder is a"
            " volume that somebody serves",
        )
    performer.store.put_bytes(f"{paths.user_prefix(CALLER.user)}fitness.txt", b"a worker was here\n")


def gpu_is_there(settings: Settings, gpus: Path = _GPUS) -> None:
    """Raise EngineUnavailable where the engine that is set up first needs a GPU and there is none."""
    if not settings.serverless_engine:
        return
    info = registry.find(settings.serverless_engine).info
    here = gpus.is_dir() and any(gpus.iterdir())
    if info.vram_gb and not here and not settings.wan_cpu:
        least = min(info.vram_gb.values())
        raise EngineUnavailable(
            f"engine '{info.name}' needs a GPU with {least:g} GB, and this worker has none",
            hint="choose GPUs for the endpoint, or another UGCLAB_SERVERLESS_ENGINE",
        )


def engine_is_ready(performer: Performer) -> None:
    """Wait until the engine is set up, its model files verified. Raises what that raised."""
    settings = performer.settings
    if settings.serverless_engine:
        registry.require(registry.find(settings.serverless_engine), settings)
    performer.ready()


def checks(performer: Performer, discretion: Callable[[str], str]) -> tuple[Check, ...]:
    """The checks, cheapest first, by the names the platform reports; their messages are fit to be reported."""
    settings = performer.settings

    def named(name: str, do: Check) -> Check:
        def check() -> None:
            try:
                do()
            except UgclabError as error:
                raise RuntimeError(discretion(f"{error.code}: {error}")) from None

        check.__name__ = name
        return check

    return (
        named("ugclab_disk", lambda: room_on_disk(settings)),
        named("ugclab_gpu", lambda: gpu_is_there(settings)),
        named("ugclab_store", lambda: store_takes(performer)),
        named("ugclab_engine", lambda: engine_is_ready(performer)),
    )
