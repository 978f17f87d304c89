"""`models pull wan2.2-animate`: the patterns of the manifest, then the folder's verification."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub", reason="extra 'wan' is not installed")

from tests.wan.test_checkpoint import POSE, safetensors
from tests.weights import hub as hub_module
from ugclab.errors import WeightsCorrupt, WeightsError
from ugclab.wan import checkpoint, pull
from ugclab.wan.manifest import Manifest, manifest

SHARDS = [f"diffusion_pytorch_model-0000{i}-of-00004.safetensors" for i in range(1, 5)]
WEIGHTS = {f"t{i}": shard for i, shard in enumerate(SHARDS)}
FILES = {
    "config.json": b"{}",
    "diffusion_pytorch_model.safetensors.index.json": json.dumps({"weight_map": WEIGHTS}).encode(),
    **{shard: safetensors([f"t{i}"]) for i, shard in enumerate(SHARDS)},
    "models_t5_umt5-xxl-enc-bf16.pth": b"t5" * 600,
    "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth": b"clip",
    "Wan2.1_VAE.pth": b"vae",
    "relighting_lora.ckpt": b"lora",
    "google/umt5-xxl/tokenizer.json": b"{}",
    "xlm-roberta-large/sentencepiece.bpe.model": b"spm",
    "xlm-roberta-large/pytorch_model.bin": b"w" * 5000,
    "process_checkpoint/det/yolov10m.onnx": b"yolo",
    f"{POSE}/end2end.onnx": b"onnx",
    f"{POSE}/tensor": b"12345",
    "process_checkpoint/sam2/sam2_hiera_large.pt": b"sam",
    "process_checkpoint/sam2/sam2_hiera_small.pt": b"small",
    "process_checkpoint/FLUX.1-Kontext-dev/big.safetensors": b"flux" * 2000,
    "relighting_lora/adapter_model.safetensors": b"adapter",
}  # fmt: skip


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest, of the same paths with the sizes of the tiny files."""
    whole = manifest().model_dump(mode="json")
    files = [{**f, "size_bytes": None, "sha256": "", "least_bytes": 1} for f in whole["files"]]
    folders = [{**whole["folders"][0], "files": 2, "size_bytes": 9}]
    changes = {"files": files, "folders": folders, "repository": hub_module.REPOSITORY, "revision": hub_module.REVISION}
    small = Manifest.model_validate({**whole, **changes})
    monkeypatch.setattr(pull, "manifest", lambda: small)
    monkeypatch.setattr(checkpoint, "manifest", lambda: small)


@pytest.fixture
def hub() -> Iterator[hub_module.Hub]:
    with hub_module.serve(hub_module.Hub(dict(FILES))) as served:
        yield served


@pytest.mark.usefixtures("tiny")
def test_only_what_replacement_needs_comes_and_is_whole(hub: hub_module.Hub, tmp_path: Path) -> None:
    report = pull.pull_wan_animate(tmp_path, endpoint=hub.endpoint, token=False)
    assert report.whole
    came = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    left = {name for name in FILES if name not in came}
    assert left == {
        "xlm-roberta-large/pytorch_model.bin",
        "process_checkpoint/sam2/sam2_hiera_small.pt",
        "process_checkpoint/FLUX.1-Kontext-dev/big.safetensors",
        "relighting_lora/adapter_model.safetensors",
    }


@pytest.mark.usefixtures("tiny")
def test_a_repository_that_lacks_something_is_not_whole(hub: hub_module.Hub, tmp_path: Path) -> None:
    del hub.files[SHARDS[2]]
    with pytest.raises(WeightsCorrupt, match="not whole"):
        pull.pull_wan_animate(tmp_path, endpoint=hub.endpoint, token=False)


@pytest.mark.usefixtures("tiny")
def test_offline_verifies_what_is_there(hub: hub_module.Hub, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="offline"):
        pull.pull_wan_animate(tmp_path / "gone", offline=True)
    pull.pull_wan_animate(tmp_path, endpoint=hub.endpoint, token=False)
    hub.gets.clear()
    assert pull.pull_wan_animate(tmp_path, offline=True).whole
    assert hub.gets == []
