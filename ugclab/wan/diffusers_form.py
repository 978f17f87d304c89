"""The checkpoint of Wan2.2-Animate in diffusers' form: fetched, and looked at without reading a weight."""

import json
from collections.abc import Iterator
from pathlib import Path

from ugclab.errors import WeightsCorrupt, WeightsError
from ugclab.wan.manifest import own_record
from ugclab.wan.safetensors import read_header
from ugclab.weights import hf

NAME = "wan2.2-animate-diffusers"
"""Its name for `ugclab models`."""
REPOSITORY, REVISION = "Wan-AI/Wan2.2-Animate-14B-Diffusers", "main"
"""The publisher has one branch; what was fetched is noted with its hashes."""
SIZE_GB = 82.3
"""The transformer is published in float32, 69 GB of it: loaded as bf16 it is half."""
LICENCE = "Apache-2.0"
MODELS = ("transformer", "vae", "image_encoder")
"""Folders with weights, all needed."""
TEXT_ENCODER = "text_encoder"
"""Needed once, to encode the one prompt."""
SETTINGS = ("model_index.json", "scheduler/scheduler_config.json", "image_processor/preprocessor_config.json")
PROMPTS = "prompt-*.safetensors"
"""Encoded prompts, as the engine keeps them in the folder."""


def faults(folder: Path) -> Iterator[str]:
    """What is missing, cut off or damaged in a folder: a sentence each, none for a whole one."""
    if not folder.is_dir():
        yield "the folder is not there"
        return
    yield from (f"{name} is missing" for name in SETTINGS if not (folder / name).is_file())
    encoded = any(folder.glob(PROMPTS))
    for part in (*MODELS, *(() if encoded else (TEXT_ENCODER,))):
        if not (folder / part / "config.json").is_file():
            yield f"{part}/config.json is missing"
        else:
            yield from _weights(folder, part)
    for path, record in own_record(folder).items():
        target = folder / path
        if target.is_file() and record.size_bytes not in (None, target.stat().st_size):
            yield f"{path} is cut off: {target.stat().st_size} of {record.size_bytes} bytes"


def _weights(folder: Path, part: str) -> Iterator[str]:
    """The shards of one model against their index and their own headers."""
    indices = sorted((folder / part).glob("*.safetensors.index.json"))
    if indices:
        try:
            shards = sorted({str(shard) for shard in json.loads(indices[0].read_text())["weight_map"].values()})
        except (ValueError, KeyError, TypeError, AttributeError):
            yield f"{part}/{indices[0].name} is damaged"
            return
    else:
        shards = [path.name for path in sorted((folder / part).glob("*.safetensors"))]
    if not shards:
        yield f"{part} holds no weights"
    for shard in shards:
        path = folder / part / shard
        if not path.is_file():
            yield f"{part}/{shard} is missing"
            continue
        try:
            header = read_header(path)
        except WeightsCorrupt as error:
            yield f"{part}/{error.message}"
            continue
        size = path.stat().st_size
        if size != header.file_bytes:
            yield f"{part}/{shard} is cut off: {size} of {header.file_bytes} bytes"


def pull_diffusers_form(
    folder: Path,
    *,
    revision: str = REVISION,
    endpoint: str | None = None,
    offline: bool = False,
    progress: hf.Progress = lambda path, done, size: None,
) -> None:
    """Fetch the whole repository, resumed where it stopped, and look at it. Raises WeightsError, DiskFull."""
    if not offline:
        wanted = [f"{part}/*" for part in (*MODELS, TEXT_ENCODER, "tokenizer", "scheduler", "image_processor")]
        hf.pull(REPOSITORY, revision, ["model_index.json", *wanted], folder, endpoint=endpoint, progress=progress)
    elif not folder.is_dir():
        raise WeightsError(f"{folder} is not there, and nothing is fetched offline", hint="unset UGCLAB_OFFLINE")
    found = next(faults(folder), None)
    if found is not None:
        raise WeightsCorrupt(f"{folder} is not whole: {found}", hint="delete that file and pull again")
