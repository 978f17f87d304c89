"""A checkpoint folder: whole, or what is wrong with it, by a small manifest of the same form."""

import hashlib
import json
import struct
import zipfile
from pathlib import Path

import pytest

from ugclab.errors import InputError
from ugclab.wan.checkpoint import CheckpointReport, verify
from ugclab.wan.manifest import Manifest, manifest, patterns

POSE = "process_checkpoint/pose2d/vitpose_h_wholebody.onnx"
SHARD = "diffusion_pytorch_model-0000{}-of-00002.safetensors"


def safetensors(names: list[str]) -> bytes:
    header = {
        name: {"dtype": "BF16", "shape": [2, 2], "data_offsets": [8 * i, 8 * i + 8]} for i, name in enumerate(names)
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(8 * len(names))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny folder of the checkpoint's form."""
    for name in ("google/umt5-xxl", "xlm-roberta-large", "process_checkpoint/det", "process_checkpoint/sam2", POSE):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "config.json").write_text("{}")
    weights = {"a": SHARD.format(1), "b": SHARD.format(1), "c": SHARD.format(2)}
    (tmp_path / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))
    (tmp_path / SHARD.format(1)).write_bytes(safetensors(["a", "b"]))
    (tmp_path / SHARD.format(2)).write_bytes(safetensors(["c"]))
    with zipfile.ZipFile(tmp_path / "t5.pth", "w") as archive:
        archive.writestr("data", "x" * 500)
    (tmp_path / "google/umt5-xxl/tokenizer.json").write_text("{}")
    (tmp_path / "xlm-roberta-large/sentencepiece.bpe.model").write_text("x")
    (tmp_path / "process_checkpoint/sam2/sam2_hiera_large.pt").write_text("sam")
    for i in range(3):
        (tmp_path / POSE / f"tensor{i}").write_text("12345")
    return tmp_path


def small(folder: Path) -> Manifest:
    files = [
        {"path": "config.json", "uses": ["generate"]},
        {"path": "diffusion_pytorch_model.safetensors.index.json", "uses": ["generate"]},
        *({"path": SHARD.format(i), "uses": ["generate"]} for i in (1, 2)),
        {"path": "t5.pth", "uses": ["generate"]},
        {"path": "process_checkpoint/sam2/sam2_hiera_large.pt", "uses": ["replace"], "size_bytes": 3,
         "sha256": hashlib.sha256(b"sam").hexdigest()},
    ]  # fmt: skip
    whole = manifest().model_dump(mode="json")
    folders = [{"path": POSE, "uses": ["preprocess"], "files": 3, "size_bytes": 15}]
    return Manifest.model_validate({**whole, "files": files, "folders": folders})


def check(folder: Path, **options: bool) -> CheckpointReport:
    return verify(folder, expected=small(folder), **options)  # type: ignore[arg-type]


def ids(report: CheckpointReport) -> list[str]:
    return [problem.id for problem in report.problems]


def test_a_whole_folder(folder: Path) -> None:
    report = check(folder, hashes=True)
    assert (ids(report), report.whole, report.missing_bytes, report.hashed) == ([], True, 0, 1)
    assert (report.parameters, report.dtypes) == (12, ("BF16",))


@pytest.mark.parametrize(
    "path", ["config.json", SHARD.format(2), "t5.pth", "process_checkpoint/sam2/sam2_hiera_large.pt"]
)
def test_missing_files(folder: Path, path: str) -> None:
    (folder / path).unlink()
    report = check(folder)
    assert ids(report) == ["C1"]
    assert path in report.problems[0].what


@pytest.mark.parametrize("path", [SHARD.format(1), "t5.pth", "process_checkpoint/sam2/sam2_hiera_large.pt"])
def test_files_cut_off(folder: Path, path: str) -> None:
    data = (folder / path).read_bytes()
    (folder / path).write_bytes(data[:-1])
    assert ids(check(folder)) == ["C2"]


def test_git_lfs_pointers(folder: Path) -> None:
    (folder / SHARD.format(1)).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    report = check(folder)
    assert "Git LFS pointer" in report.problems[0].what


def test_index_and_shards_of_different_downloads(folder: Path) -> None:
    (folder / SHARD.format(1)).write_bytes(safetensors(["a", "other", "more"]))
    report = check(folder)
    assert ids(report) == ["C3"]
    assert "1 tensors lacking, 2 not named" in report.problems[0].what


def test_a_shard_that_is_no_safetensors_file(folder: Path) -> None:
    (folder / SHARD.format(1)).write_bytes(b"\xff" * 100)
    assert "C3" in ids(check(folder))


def test_damaged_bytes_show_only_by_their_hash(folder: Path) -> None:
    (folder / "process_checkpoint/sam2/sam2_hiera_large.pt").write_text("sbm")
    assert ids(check(folder)) == []
    assert ids(check(folder, hashes=True)) == ["C4"]


def test_the_pose_model_is_a_folder(folder: Path) -> None:
    (folder / POSE / "tensor0").unlink()
    assert ids(check(folder)) == ["C5"]
    for path in (folder / POSE).iterdir():
        path.unlink()
    (folder / POSE).rmdir()
    assert ids(check(folder)) == ["C1"]
    (folder / POSE).write_text("onnx")
    assert ids(check(folder)) == ["C5"]


def test_tokenizers(folder: Path) -> None:
    (folder / "google/umt5-xxl/tokenizer.json").unlink()
    report = check(folder)
    assert ids(report) == ["C6"]
    assert "google/umt5-xxl" in report.problems[0].what


def test_hashes_the_hub_noted_are_used(folder: Path) -> None:
    notes = folder / ".cache/huggingface/download"
    notes.mkdir(parents=True)
    blob = hashlib.sha1(b"blob 2\0{}", usedforsecurity=False).hexdigest()
    (notes / "config.json.metadata").write_text(f"{'c' * 40}\n{blob}\n1.0\n")
    (notes / "t5.pth.metadata").write_text(f"{'c' * 40}\n{'0' * 64}\n1.0\n")
    report = check(folder, hashes=True)
    assert ids(report) == ["C4"]
    assert "t5.pth" in report.problems[0].what
    assert report.hashed == 3


def test_sizes_a_pull_noted_are_used(folder: Path) -> None:
    (folder / ".cache/ugclab").mkdir(parents=True)
    entries = {"config.json": {"size_bytes": 9}, "xlm-roberta-large/config.json": {"size_bytes": 4}}
    (folder / ".cache/ugclab/manifest.json").write_text(json.dumps({"files": entries}))
    report = check(folder)
    assert [(p.id, p.what) for p in report.problems] == [
        ("C2", "config.json is cut off: 2 of 9 bytes"),
        ("C1", "xlm-roberta-large/config.json is missing"),
    ]
    assert report.missing_bytes == 4


def test_what_a_use_does_not_need_is_not_looked_for(folder: Path) -> None:
    (folder / "process_checkpoint/sam2/sam2_hiera_large.pt").unlink()
    assert verify(folder, ("generate",), expected=small(folder)).whole


def test_files_nobody_needs_are_a_note(folder: Path) -> None:
    with (folder / "xlm-roberta-large/pytorch_model.bin").open("wb") as file:
        file.truncate(2**30 + 1)
    report = check(folder)
    assert ids(report) == ["C7"]
    assert report.whole
    assert report.extra_bytes > 2**30


def test_a_missing_folder_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        verify(tmp_path / "gone")


def test_the_packaged_manifest_covers_replacement() -> None:
    sizes = {file.path: file.size_bytes for file in manifest().files}
    assert sizes["models_t5_umt5-xxl-enc-bf16.pth"] == 11_361_920_418
    assert len(manifest().revision) == 40
    assert manifest().replacement_bytes / 2**30 == pytest.approx(53.7, abs=0.1)
    fetched = patterns()
    assert "process_checkpoint/pose2d/*" in fetched
    assert not any("FLUX" in pattern or (pattern.endswith("*") and "roberta" in pattern) for pattern in fetched)
