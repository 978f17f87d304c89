"""Where the other machine is and what it is asked for, from the settings; and what it says of itself, at a glance."""

import time
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError

from ugclab.engines.base import Lack
from ugclab.engines.remote.line import Line
from ugclab.errors import EngineUnavailable, InputError, IntakeError, UgclabError
from ugclab.net.client import GuardedClient
from ugclab.schema.contract import WorkerHealth
from ugclab.settings import Settings

GLANCE_S = 2.0
"""What a look at the other machine's health may take: pages and `ugclab engines` wait for it."""
REMEMBERED_S = 15.0
"""How long what was seen is taken for true."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What the other machine said of itself, or why it said nothing."""

    health: WorkerHealth | None = None
    lack: Lack | None = None
    seconds: float = 0.0

    @property
    def words(self) -> str:
        """For a person."""
        if self.lack is not None:
            return self.lack.reason
        told, took = self.health, f"answers in {1000 * self.seconds:.0f} ms"
        if told is None:
            return took
        gpu = "a GPU" if told.gpu_available else "no GPU"
        warm = "an engine is loaded" if told.model_loaded else "no engine is loaded yet"
        return f"{took}: ugclab {told.version}, {gpu}, {warm}, {told.workers} workers, {told.waiting} jobs in line"


def line_to(settings: Settings) -> Line:
    """The other machine, as it is asked. Raises EngineUnavailable for an address that is none."""
    return _line(settings.remote_url, settings.remote_key, settings.intake_hosts)


def _line(url: str, key: SecretStr, hosts: tuple[str, ...]) -> Line:
    """The host that the operator names may have a private address, as those he allows; no other one may."""
    base = url.strip().rstrip("/")
    try:
        line = Line(base, key, GuardedClient((urlsplit(base).netloc, *hosts)))
        _ = line.target
    except (InputError, ValueError) as error:
        words = error.message if isinstance(error, IntakeError) else "it cannot be read"
        raise EngineUnavailable(
            f"UGCLAB_REMOTE_URL is no address: {words}", hint="as https://gpu.example or http://10.0.0.5:8000"
        ) from None  # what was set may hold a password
    return line


def lacking(settings: Settings) -> Lack | None:
    """What is missing for a run. A machine that is away for now is told as passing."""
    if not settings.remote_url:
        return Lack(
            reason="no other machine is set up for the engine 'remote'",
            hint="set UGCLAB_REMOTE_URL and UGCLAB_REMOTE_KEY: see docs/remote.md",
        )
    if settings.remote_kind == "runpod" and not (settings.s3_bucket and settings.s3_direct):
        return Lack(reason="an endpoint of Runpod takes files by address only", hint="set UGCLAB_S3_BUCKET")
    try:
        line_to(settings)
    except EngineUnavailable as error:
        return Lack(reason=error.message, hint=error.hint)
    return glance(settings).lack


def glance(settings: Settings) -> Glance:
    """Ask the other machine how it is, unless that was done a moment ago: two seconds at most."""
    return _glance(
        settings.remote_url,
        settings.remote_key,
        settings.remote_kind,
        settings.remote_engine,
        settings.intake_hosts,
        int(time.monotonic() / REMEMBERED_S),
    )


@lru_cache(maxsize=4)
def _glance(url: str, key: SecretStr, kind: str, engine: str, hosts: tuple[str, ...], period: int) -> Glance:
    begun = time.monotonic()
    try:
        line = _line(url, key, hosts)
        answer = line.ask("GET", "/health", timeout_s=GLANCE_S)
        seconds = time.monotonic() - begun
        if kind == "runpod":
            return Glance(seconds=seconds)
        health = WorkerHealth.model_validate(answer)
    except ValidationError:
        return Glance(lack=Lack(reason=f"{url} is no server of the worker contract", hint="check UGCLAB_REMOTE_URL"))
    except UgclabError as error:
        return Glance(lack=Lack(reason=error.message, hint=error.hint, passing=error.passing))
    return Glance(health, _shortcoming(health, engine, line.host), seconds)


def _shortcoming(health: WorkerHealth, engine: str, host: str) -> Lack | None:
    if health.engines and engine not in health.engines:
        return Lack(
            reason=f"{host} cannot run the engine '{engine}'",
            hint=f"set UGCLAB_REMOTE_ENGINE to one of {', '.join(health.engines)}",
        )
    if health.status != "ok":
        return Lack(reason=f"{host} takes no orders for now ({health.status})", hint="try again later", passing=True)
    return None
