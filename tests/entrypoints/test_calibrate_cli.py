"""`ugclab bench calibrate` as a person and a script meet it; nothing is timed here."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bench.test_calibrate import runs_at
from tests.face_clips import write_clip
from ugclab.bench import mesh_rates, wan_rates
from ugclab.bench.calibration import Constant, load_calibrations
from ugclab.entrypoints.cli import main
from ugclab.errors import EngineUnavailable

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.setenv("UGCLAB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("UGCLAB_BENCH_DIR", str(tmp_path / "rates"))
    swap = Constant(value=0.004, unit="s", provenance="measured", source="a test")
    monkeypatch.setattr(mesh_rates, "measure", lambda settings, **_: {"mesh.swap_s": swap})

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["bench", *words])
        said = capfd.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU nobody has rates for, and a torch that sees it."""
    about = {"torch": "2", "diffusers": "0.42", "gpu": "NVIDIA B200", "gpu_memory_gb": "192.0"}
    monkeypatch.setattr(wan_rates, "choose_device", lambda device: "cuda")
    monkeypatch.setattr(wan_rates, "free_gb", lambda device: 190.0)
    monkeypatch.setattr(wan_rates, "describe", lambda device: about)
    monkeypatch.setattr(wan_rates, "measure", lambda device, scale, **_: tuple(runs_at(800, 1200, 150, scale)))


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(device: Any) -> str:
        raise EngineUnavailable("measuring Wan needs torch", hint="pip install 'ugclab[calibrate]'")

    monkeypatch.setattr(wan_rates, "choose_device", refuse)


@pytest.mark.usefixtures("card")
def test_a_new_gpu_can_be_estimated_once_it_is_measured(call: Call, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "v.mp4", frames=60, rate=10, width=640, height=640)
    ask = ("estimate", "--source", str(source), "--gpu", "b200", "--precision", "bf16", "--usd-per-hour", "5", "--json")
    code, _, err = call(*ask)
    assert code == 10
    assert "no rates are known for the GPU 'b200'" in err
    code, out, _ = call("calibrate", "--only", "wan")
    assert code == 0
    assert "nvidia-b200.json" in out
    assert "832x480, 77 frames: " in out
    code, out, _ = call(*ask)
    assert code == 0
    (option,) = json.loads(out)["options"]
    assert option["provenance"]["bf16.linear"] == "measured"
    assert option["provenance"]["preprocess.factor"] == "assumed"
    code, _, err = call(*ask[:5], "--usd-per-hour", "5")
    assert code == 10
    assert "no rates are known for fp8 on NVIDIA B200" in err
    assert "known there: bf16" in err


@pytest.mark.usefixtures("card")
def test_both_are_measured_into_a_file_each(call: Call, tmp_path: Path) -> None:
    code, out, _ = call("calibrate", "--json", "--out", str(tmp_path / "other"))
    assert code == 0
    wan, mesh = json.loads(out)
    assert (wan["kind"], wan["device"], mesh["kind"]) == ("gpu", "NVIDIA B200", "cpu")
    assert [len(run) for run in (wan["runs"], mesh["runs"])] == [4, 0]
    assert len(list((tmp_path / "other/calibration").glob("*.json"))) == 2
    assert load_calibrations(tmp_path / "other").cpu(mesh["device"])["mesh.swap_s"] == 0.004


@pytest.mark.usefixtures("no_torch")
def test_without_torch_the_embedded_engine_is_measured_and_the_rest_named(call: Call) -> None:
    code, out, err = call("calibrate")
    assert code == 0
    assert "mesh.swap_s" in out
    assert "Wan is left out: measuring Wan needs torch. pip install 'ugclab[calibrate]'" in err
    for words in (("--only", "wan"), ("--device", "cuda")):
        code, _, err = call("calibrate", *words)
        assert code == EngineUnavailable.exit_code
        assert "needs torch" in err


@pytest.mark.usefixtures("card")
def test_a_scale_that_does_not_fit(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wan_rates, "free_gb", lambda device: 23.0)
    code, _, err = call("calibrate", "--only", "wan", "--scale", "full")
    assert code == 10
    assert "wants 58 GB, 23 are free" in err
    assert "--scale blocks" in err
