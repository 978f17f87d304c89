"""A place for wan-cli that needs no GPU: a checkout with the real flags and files, an environment, hollow models."""

import json
import shutil
import sys
from pathlib import Path

from ugclab.settings import Settings
from ugclab.wan.manifest import manifest

REPO = Path(__file__).with_name("repo")
PACKAGES = {
    "flash_attn": "2.8.3", "imageio_ffmpeg": "0.6.0", "decord": "0.6.0", "librosa": "0.11.0", "einops": "0.8.1",
    "moviepy": "1.0.3", "transformers": "4.51.3", "peft": "0.17.1", "onnxruntime_gpu": "1.23.0", "sam_2": "1.0",
}  # fmt: skip
POSE = "process_checkpoint/pose2d/vitpose_h_wholebody.onnx"


def furnish(folder: Path, settings: Settings, *, fault: str = "", **changes: object) -> Settings:
    """Settings under which wan-cli is ready; the GPU is a name."""
    shutil.copytree(REPO, folder / "repo")
    (folder / "repo/FAULT").write_text(fault)
    return settings.model_copy(
        update={
            "wan_repo": folder / "repo",
            "wan_python": environment(folder / "env"),
            "wan_ckpt": checkpoint(folder / "ckpt"),
            "wan_gpu": "H100",
            "wan_area": "512x512",
            "wan_steps": 8,
            **changes,
        }
    )


def calls(settings: Settings) -> list[tuple[str, list[str]]]:
    """Scripts that ran, with their words, in order."""
    path = Path(str(settings.wan_repo)) / "calls.jsonl"
    return [tuple(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def environment(folder: Path) -> Path:
    """An environment with the packages the scripts need, by name, and a Python that is this one."""
    site = folder / "lib/python3.11/site-packages"
    for name, version in PACKAGES.items():
        (site / f"{name}-{version}.dist-info").mkdir(parents=True)
        (site / f"{name}-{version}.dist-info/METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n"
        )
    (site / "sam2").mkdir()
    (site / "sam2/sam2_hiera_l.yaml").write_text("")
    (folder / "bin").mkdir()
    python = folder / "bin/python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return python


def checkpoint(folder: Path) -> Path:
    """Files of the right names and sizes that take no room."""
    expected = manifest()
    for file in expected.files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json":
            path.write_text('{"weight_map": {}}')
        elif path.suffix == ".safetensors":
            path.write_bytes((2).to_bytes(8, "little") + b"{}")
        else:
            with path.open("wb") as out:
                out.truncate(file.size_bytes or file.least_bytes)
    for tokenizer in expected.tokenizers:
        (folder / tokenizer.path).mkdir(parents=True)
        (folder / tokenizer.path / tokenizer.any_of[0]).write_text("{}")
    for part in expected.folders:
        there = sum(p.stat().st_size for p in (folder / part.path).iterdir())
        for number in range(part.files):
            with (folder / part.path / f"tensor{number}").open("wb") as out:
                out.truncate((part.size_bytes - there) if number == 0 else 0)
    return folder
