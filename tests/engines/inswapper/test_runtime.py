"""Networks: which device they run on, and what is refused."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.engines.inswapper import networks
from ugclab.engines.inswapper import runtime
from ugclab.engines.inswapper.engine import SWAPPER, InSwapper
from ugclab.engines.inswapper.runtime import CPU, CUDA, Network, choose
from ugclab.errors import EngineError, EngineUnavailable, WeightsError

onnxruntime = pytest.importorskip("onnxruntime")
CROP, LATENT = (1, 3, 128, 128), (1, 512)


def test_without_a_gpu_it_is_the_cpu() -> None:
    assert choose("auto", lambda: 0) == CPU
    assert choose("cpu", lambda: 2) == CPU


@pytest.mark.skipif(CUDA in onnxruntime.get_available_providers(), reason="this ONNX Runtime knows CUDA")
@pytest.mark.parametrize(("device", "gpus", "said"), [("auto", 1, "there is a GPU"), ("cuda", 0, "CUDA was asked for")])
def test_a_gpu_that_would_stand_idle_is_an_error(device: runtime.Device, gpus: int, said: str, tmp_path: Path) -> None:
    """Before any model file is opened: the folder is empty."""
    with pytest.raises(EngineUnavailable, match=said) as caught:
        InSwapper(device, lambda: gpus).setup(tmp_path)
    assert "ugclab[inswapper-gpu]" in caught.value.hint
    assert "CUDA_VISIBLE_DEVICES" in caught.value.hint


def test_a_silent_fall_back_to_the_cpu_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package for GPUs without its CUDA libraries: it loads the model for the CPU and says so on stderr only."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    assert choose("auto", lambda: 1) == CUDA
    session = SimpleNamespace(get_providers=lambda: [CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *a, **k: session)
    with pytest.raises(EngineUnavailable, match="fell back to the CPU") as caught:
        Network(tmp_path / "swap.onnx", (CROP, LATENT), CROP, CUDA)
    assert "cuDNN" in caught.value.hint


def test_counting_gpus_needs_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(runtime.ctypes, "CDLL", no_library)
    assert runtime.visible_gpus() == 0


def test_inputs_are_told_apart_by_their_shapes(tmp_path: Path) -> None:
    path = networks.swapper(tmp_path / "swap.onnx")
    network = Network(path, (LATENT, CROP), CROP, CPU)
    drawn = network.run(np.zeros(LATENT, np.float32), np.full(CROP, 0.5, np.float32))
    assert drawn.shape == CROP
    assert np.allclose(drawn, 0.5, atol=1e-5)


@pytest.mark.parametrize("side", [64, 256])
def test_another_size_of_crop_is_refused(side: int, tmp_path: Path) -> None:
    path = networks.swapper(tmp_path / "swap.onnx", side=side)
    with pytest.raises(WeightsError, match=rf"has the inputs .*{side}.* instead of .*128") as caught:
        Network(path, (CROP, LATENT), CROP, CPU)
    assert "models pull inswapper" in caught.value.hint


def test_the_other_network_is_refused(tmp_path: Path) -> None:
    path = networks.recognition(tmp_path / "who.onnx")
    with pytest.raises(WeightsError, match="it is another network"):
        Network(path, (CROP, LATENT), CROP, CPU)
    short = networks.recognition(tmp_path / "short.onnx", length=128)
    with pytest.raises(WeightsError, match="has the outputs"):
        Network(short, ((1, 3, 112, 112),), LATENT, CPU)


def test_an_open_batch_is_allowed_and_a_wrong_array_is_not(tmp_path: Path) -> None:
    network = Network(networks.recognition(tmp_path / "who.onnx"), ((1, 3, 112, 112),), LATENT, CPU)
    assert network.run(np.ones((1, 3, 112, 112), np.float32)).shape == LATENT
    with pytest.raises(EngineError, match=r"gave an array of shape \(2, 512\)"):
        network.run(np.ones((2, 3, 112, 112), np.float32))
    with pytest.raises(EngineError, match="failed while running"):
        network.run(np.ones((1, 3, 64, 64), np.float32))


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"not a model")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        Network(tmp_path / "m.onnx", (CROP, LATENT), CROP, CPU)


def test_setup_without_emap_says_so_before_anything_is_loaded(tmp_path: Path) -> None:
    networks.swapper(tmp_path / SWAPPER, with_emap=False)
    with pytest.raises(WeightsError, match="does not carry the matrix"):
        InSwapper("cpu").setup(tmp_path)
