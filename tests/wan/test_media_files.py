"""Headers of videos, pictures and weights, read with the standard library: against files PyAV and OpenCV write."""

import json
import struct
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wan.media import write_heic, write_mp4
from ugclab.errors import WeightsCorrupt
from ugclab.wan.environment import detect_gpu, read_environment, version_tuple
from ugclab.wan.mp4 import read_video_track
from ugclab.wan.pictures import read_picture
from ugclab.wan.safetensors import read_header


@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}], ids=["moov-last", "moov-first"])
@pytest.mark.parametrize("rate", [Fraction(30), Fraction(30000, 1001)])
def test_a_real_mp4(tmp_path: Path, rate: Fraction, options: dict[str, str]) -> None:
    path = tmp_path / "a.mp4"
    with av.open(path, "w", options=options) as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height = 64, 48
        for i in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), i * 10, np.uint8))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    track = read_video_track(path)
    assert track is not None
    assert (track.frames, track.width, track.height, track.rotation, track.variable) == (20, 64, 48, 0, False)
    assert abs(track.rate - rate) < Fraction(1, 1000)


def test_a_fragmented_mp4_is_not_judged(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(path, "w", options={"movflags": "frag_keyframe+empty_moov"}) as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height = 64, 48
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))))
        container.mux(stream.encode(None))
    assert read_video_track(path) is None


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation(tmp_path: Path, degrees: int) -> None:
    track = read_video_track(write_mp4(tmp_path / "a.mp4", rotation=degrees))
    assert track is not None
    assert track.rotation == degrees


def test_jitter_of_a_tick_is_no_variable_rate(tmp_path: Path) -> None:
    deltas = [(1, 300 + i % 2) for i in range(100)]
    track = read_video_track(write_mp4(tmp_path / "a.mp4", deltas=deltas))
    assert track is not None
    assert not track.variable


@given(st.binary(max_size=300))
def test_damaged_files_are_not_judged(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    whole = write_mp4(folder / "whole.mp4").read_bytes()
    (folder / "a").write_bytes(data)
    (folder / "b").write_bytes(whole[: len(data) * 3] + data)
    for name in "ab":
        read_video_track(folder / name)
        read_picture(folder / name)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tiff"])
def test_pictures_opencv_writes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), np.zeros((30, 50, 3), np.uint8))
    picture = read_picture(path)
    assert picture is not None
    assert picture.format == {".jpg": "jpeg"}.get(suffix, suffix[1:])
    if suffix in {".png", ".jpg", ".bmp"}:
        assert (picture.width, picture.height) == (50, 30)


def test_other_pictures(tmp_path: Path) -> None:
    heic = read_picture(write_heic(tmp_path / "a.jpg"))
    assert heic is not None
    assert heic.format == "heic"
    (tmp_path / "b.png").write_text("<svg/>")
    svg = read_picture(tmp_path / "b.png")
    assert svg is not None
    assert svg.format == "unknown"
    assert read_picture(tmp_path / "missing.png") is None


def test_safetensors_header(tmp_path: Path) -> None:
    header = {"__metadata__": {"a": "b"}, "w": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}}
    text = json.dumps(header).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(12))
    found = read_header(path)
    assert found.tensors == {"w": ("BF16", (2, 3))}
    assert found.file_bytes == path.stat().st_size


@pytest.mark.parametrize("data", [b"", b"\xff" * 8, b"\x02" + bytes(7) + b"[]", b"\x04" + bytes(7) + b"null"])
def test_what_is_no_safetensors_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(WeightsCorrupt):
        read_header(tmp_path / "a")


def test_editable_and_linked_packages_are_seen(tmp_path: Path) -> None:
    site = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    info = site / "SAM_2-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: SAM-2\nVersion: 1.0\n")
    checkout = tmp_path / "sam2repo"
    (checkout / "sam2").mkdir(parents=True)
    (checkout / "sam2" / "sam2_hiera_l.yaml").write_text("")
    (info / "direct_url.json").write_text(json.dumps({"url": f"file://{checkout}", "dir_info": {"editable": True}}))
    environment = read_environment(tmp_path / "env")
    assert environment.version("sam_2") == "1.0"
    assert environment.find("sam2/sam2_hiera_l.yaml") is not None
    assert version_tuple("0.18.0rc1") == (0, 18, 0)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("NVIDIA H100 80GB HBM3, 81559\nNVIDIA H100 80GB HBM3, 81559\n", ("NVIDIA H100 80GB HBM3", 81_559)),
        ("", None),
        ("No devices were found\n", None),
    ],
)
def test_the_gpu_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, output: str, expected: tuple[str, int] | None
) -> None:
    done = subprocess.CompletedProcess([], 0, stdout=output)
    monkeypatch.setattr("ugclab.wan.environment.subprocess.run", lambda *args, **kwargs: done)
    assert detect_gpu() == expected


def test_no_gpu_without_nvidia_smi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert detect_gpu() is None
