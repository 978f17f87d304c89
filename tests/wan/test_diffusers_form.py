"""The checkpoint in diffusers' form: a folder of its layout, whole, and then spoiled in each way."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from ugclab.errors import WeightsCorrupt, WeightsError
from ugclab.wan.diffusers_form import faults, pull_diffusers_form
from ugclab.wan.manifest import RECORD


def weights(size: int = 8) -> bytes:
    header = json.dumps({"a": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part in ("transformer", "vae", "image_encoder", "text_encoder", "scheduler", "image_processor"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "config.json").write_text("{}")
    (tmp_path / "model_index.json").write_text("{}")
    (tmp_path / "scheduler/scheduler_config.json").write_text("{}")
    (tmp_path / "image_processor/preprocessor_config.json").write_text("{}")
    for part in ("vae", "image_encoder", "text_encoder"):
        (tmp_path / part / "model.safetensors").write_bytes(weights())
    for shard in ("one", "two"):
        (tmp_path / f"transformer/{shard}.safetensors").write_bytes(weights())
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    (tmp_path / "transformer/x.safetensors.index.json").write_text(json.dumps(index))
    return tmp_path


def record(folder: Path) -> None:
    (folder / RECORD).parent.mkdir(parents=True)
    (folder / RECORD).write_text(json.dumps({"files": {"model_index.json": {"size_bytes": 400}}}))


def test_a_whole_folder_has_no_fault(folder: Path) -> None:
    assert list(faults(folder)) == []
    pull_diffusers_form(folder, offline=True)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "model_index.json").unlink(), "model_index.json is missing"),
        (lambda f: (f / "vae/config.json").unlink(), "vae/config.json is missing"),
        (lambda f: (f / "vae/model.safetensors").unlink(), "vae holds no weights"),
        (lambda f: (f / "transformer/two.safetensors").unlink(), "transformer/two.safetensors is missing"),
        (lambda f: (f / "transformer/two.safetensors").write_bytes(weights()[:-3]), "two.safetensors is cut off"),
        (lambda f: (f / "transformer/one.safetensors").write_bytes(b"version https://git-lfs"), "no safetensors file"),
        (lambda f: (f / "transformer/x.safetensors.index.json").write_text("{"), "index.json is damaged"),
        (lambda f: (f / "text_encoder/model.safetensors").unlink(), "text_encoder holds no weights"),
        (record, "model_index.json is cut off: 2 of 400 bytes"),
    ],
)
def test_each_fault_is_found(spoil: Callable[[Path], object], words: str, folder: Path) -> None:
    spoil(folder)
    (found,) = faults(folder)
    assert words in found
    with pytest.raises(WeightsCorrupt, match="is not whole"):
        pull_diffusers_form(folder, offline=True)


def test_with_an_encoded_prompt_the_text_encoder_may_be_gone(folder: Path) -> None:
    (folder / "text_encoder/model.safetensors").unlink()
    (folder / "prompt-0123.safetensors").write_bytes(weights())
    assert list(faults(folder)) == []


def test_offline_nothing_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="nothing is fetched offline"):
        pull_diffusers_form(tmp_path / "none", offline=True)
