"""Prices as data: GPUs by the second or hour, hosted services by the second of video, each with its date and source.

The packaged table (ugclab/bench/data/prices.yaml, linked from benchmarks/) holds unless a folder has its own.
"""

import datetime
import difflib
import re
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from ugclab.errors import InputError
from ugclab.schema.base import Frozen, first_fault

FRESH_DAYS = 90
"""A price read longer ago than this is flagged in every output."""

Provision = Literal["serverless", "pod"]


class Dated(Frozen):
    """What every price carries."""

    date: datetime.date = Field(description="when it was read")
    source: str

    def stale(self, today: datetime.date) -> bool:
        """Whether it is older than FRESH_DAYS."""
        return (today - self.date).days > FRESH_DAYS


class Serverless(Dated):
    """Dollars a second of a worker that is there on demand (flex), or always (active)."""

    flex_usd_s: float = Field(gt=0)
    active_usd_s: float | None = Field(None, gt=0)


class Pod(Dated):
    """Dollars an hour of a machine, busy or not."""

    usd_h: float = Field(gt=0)


class GpuPrice(Frozen):
    """One GPU at one provider."""

    gpu: str
    provider: str
    vram_gb: float = Field(gt=0)
    serverless: Serverless | None = None
    pod: Pod | None = None

    def usd_s(self, provision: Provision) -> float | None:
        """Dollars a second; None where it is not offered so."""
        if provision == "serverless":
            return self.serverless.flex_usd_s if self.serverless else None
        return self.pod.usd_h / 3600 if self.pod else None

    def dated(self, provision: Provision) -> Dated | None:
        """Date and source of that price."""
        return self.serverless if provision == "serverless" else self.pod


class HostedPrice(Dated):
    """A service that does the work itself, paid by the second of video."""

    name: str
    picture: str = Field(description="the size it works at")
    replaces: Literal["person", "face", "lips"]
    usd_s: float = Field(gt=0, description="dollars a second of video")
    counted_at: float | None = Field(None, gt=0, description="frames counted as a second; None: real seconds")

    def usd(self, media_s: float, frames: int) -> float:
        """Dollars for that much swapped video."""
        return self.usd_s * (frames / self.counted_at if self.counted_at else media_s)


class Prices(Frozen):
    """The whole table."""

    schema_version: Literal[1] = 1
    gpus: tuple[GpuPrice, ...]
    hosted: tuple[HostedPrice, ...] = ()

    def of(self, gpu: str) -> tuple[GpuPrice, ...]:
        """The rows of a GPU, one a provider. Raises InputError where there is none, with the nearest names."""
        found = tuple(row for row in self.gpus if same_name(row.gpu, gpu))
        if not found:
            near = near_names(gpu, [row.gpu for row in self.gpus])
            raise InputError(
                f"no price is known for the GPU '{gpu}'",
                hint=f"{near}; or add it to the prices.yaml of the folder UGCLAB_BENCH_DIR, or give --usd-per-hour",
            )
        return found


def plain(name: str) -> str:
    """A name without case, spaces and punctuation, as 'rtx4090'."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def same_name(one: str, other: str) -> bool:
    """Whether two spellings mean the same GPU, as 'H100' and 'NVIDIA H100 80GB HBM3', '4090' and 'GeForce RTX 4090'."""
    brand = re.compile(r"nvidia|geforce|rtx|\b(?:\d+\s*gb|hbm\w*|generation|pcie|sxm\w*)\b")
    short = [brand.sub("", name.lower()) for name in (one, other)]
    return plain(short[0]) == plain(short[1])


def near_names(name: str, known: list[str]) -> str:
    """A hint: the names that look like it, or all there are."""
    by_plain = {plain(k): k for k in known}
    close = difflib.get_close_matches(plain(name), by_plain, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(by_plain[c] for c in close)}?"
    return f"one of {', '.join(dict.fromkeys(known))}"


def load_prices(folder: Path | None = None) -> Prices:
    """Read prices.yaml of `folder` if it is there, the packaged one otherwise. Raises InputError."""
    path = folder.expanduser() / "prices.yaml" if folder else None
    if path is not None and path.exists():
        return _parsed(path.read_text(encoding="utf-8"), str(path))
    text = resources.files("ugclab.bench.data").joinpath("prices.yaml").read_text(encoding="utf-8")
    return _parsed(text, "the packaged prices.yaml")


def _parsed(text: str, name: str) -> Prices:
    try:
        document: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{name} is no YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(document, dict) or document.get("schema_version") != 1:
        found = document.get("schema_version") if isinstance(document, dict) else None
        raise InputError(f"{name} has schema_version {found}, this ugclab reads 1", hint="see benchmarks/prices.yaml")
    try:
        return Prices.model_validate(document)
    except ValidationError as error:
        place, wrong = first_fault(error)
        raise InputError(f"{name}: {place}: {wrong}", hint="see benchmarks/prices.yaml") from error
