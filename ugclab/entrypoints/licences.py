"""`ugclab licences`: which licence everything here is under: engines, model files, programs, Python packages."""

import re
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from ugclab.engines.registry import catalogue, find
from ugclab.entrypoints.models import CHECKPOINTS
from ugclab.settings import Settings
from ugclab.weights.catalog import CATALOG

_BINARIES = (
    ("av (PyAV)", "FFmpeg's libraries with libx264 and libx265", "GPL"),
    ("imageio-ffmpeg", "an ffmpeg program, run as a program", "GPL"),
)
"""What wheels carry under another licence than their own."""
_LONGEST = 60
"""Some packages write their licence's whole text where its name belongs."""


def document(settings: Settings) -> str:
    """The document, as Markdown. It is told by what packages say of themselves, and is no legal advice."""
    own = metadata.distribution("ugclab")
    lines = [f"# Licences of what is installed with ugclab {own.version}", "", "ugclab itself is Apache-2.0."]
    lines += ["", "## Engines", "", *_table(("engine", "code", "weights", "binaries", "commercial use"), _engines())]
    lines += ["", "## Model files that are here", "", *_table(("file", "licence", "to be accepted"), _files(settings))]
    lines += ["", "## Programs and libraries inside packages", "", *_table(("package", "what", "licence"), _BINARIES)]
    lines += ["", "## Python packages", "", *_table(("package", "version", "licence"), _packages())]
    return "\n".join(lines) + "\n"


def _engines() -> Iterator[tuple[str, ...]]:
    for engine in catalogue():
        info = engine.info
        yield info.name, info.licences.code, info.licences.weights, info.licences.binaries, info.commercial_use


def _files(settings: Settings) -> Iterator[tuple[str, ...]]:
    """By name and place alone: what they hold is `ugclab models verify`'s business."""
    for name, file in sorted(CATALOG.items()):
        if (settings.weights_dir / name).is_file():
            yield name, file.licence, file.terms
    for name, engine in CHECKPOINTS.items():
        folder = settings.wan_checkpoint if engine == "wan-cli" else settings.wan_diffusers_folder
        if folder.is_dir():
            yield name, find(engine).info.licences.weights, ""


def _packages() -> Iterator[tuple[str, ...]]:
    found = {(d.metadata["Name"], d.version): d for d in metadata.distributions()}
    for (name, version), distribution in sorted(found.items(), key=lambda item: item[0][0].lower()):
        yield name, version, _licence(distribution)


def _licence(distribution: metadata.Distribution) -> str:
    """What a package says: the expression, the classifiers, or the first line of what it wrote."""
    told: Any = distribution.metadata  # a message, though its protocol names no `get` before Python 3.12
    if expression := told.get("License-Expression"):
        return str(expression)
    classifiers = [c.rpartition(" :: ")[2] for c in told.get_all("Classifier") or () if c.startswith("License ::")]
    if classifiers:
        return ", ".join(classifiers)
    written = re.sub(r"\s+", " ", str(told.get("License") or "")).strip()
    if written:
        return written if len(written) <= _LONGEST else written[: _LONGEST - 1] + "…"
    return "not said"


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]] | tuple[tuple[str, ...], ...]) -> list[str]:
    cells = [head, ("---",) * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in cells]
