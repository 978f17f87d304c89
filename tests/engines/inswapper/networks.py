"""Small ONNX models with the inputs and outputs of InsightFace's, written by the tests: what is drawn is known."""

from pathlib import Path

import numpy as np
import pytest

from ugclab.engines.inswapper.engine import RECOGNITION, SWAPPER
from ugclab.engines.mesh.following import WEIGHTS
from ugclab.settings import Settings
from ugclab.weights import hub

onnx = pytest.importorskip("onnx", reason="the package onnx writes the networks, and is not here: make test")
pytest.importorskip("onnxruntime", reason="onnxruntime is not here: make test")
SIDE, LATENT = 128, 512
OPSET = 17


def emap(seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (LATENT, LATENT)).astype(np.float32)


def save(path: Path, nodes: list, inputs: list, outputs: list, constants: list) -> Path:
    helper = onnx.helper
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return path


def value(name: str, shape: tuple[int | str, ...]) -> object:
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


def constant(name: str, array: np.ndarray) -> object:
    return onnx.numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name)


def swapper(
    path: Path,
    *,
    side: int = SIDE,
    matrix: np.ndarray | None = None,
    with_emap: bool = True,
    strength: float = 0.2,
    soft: int = 1,
    broken: bool = False,
) -> Path:
    """Draws squares over the target, in colours that the latent gives, and blurs it with a box `soft` px wide.

    `broken` gives numbers that are none.
    """
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    rng = np.random.default_rng(5)
    shift = rng.normal(0, strength * np.sqrt(LATENT) / np.sqrt(3), (LATENT, 3))
    kernel = np.zeros((3, 3, soft, soft))
    kernel[range(3), range(3)] = 1 / soft**2
    nodes = [
        helper.make_node("MatMul", ["source", "mixing"], ["mixed"]),
        helper.make_node("Tanh", ["mixed"], ["bounded"]),
        helper.make_node("Mul", ["bounded", "strength"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "places"], ["shift"]),
        helper.make_node("Pad", ["target", "pads"], ["padded"], mode="edge"),
        helper.make_node("Conv", ["padded", "kernel"], ["soft"]),
        helper.make_node("Mul", ["shift", "squares"], ["marks"]),
        helper.make_node("Add", ["soft", "marks"], ["shifted"]),
        helper.make_node("Clip", ["shifted", "zero", "one"], ["output" if not broken else "drawn"]),
    ]
    rows, columns = np.mgrid[0:side, 0:side] // 8
    constants = [
        constant("squares", np.where((rows + columns) % 2, 1.0, -1.0)),
        constant("mixing", shift),
        constant("strength", np.array([np.nan if broken else strength])),
        numpy_helper.from_array(np.array([1, 3, 1, 1], np.int64), "places"),
        numpy_helper.from_array(np.array([0, 0, soft // 2, soft // 2] * 2, np.int64), "pads"),
        constant("kernel", kernel),
        constant("zero", np.array(0.0)),
        constant("one", np.array(1.0)),
    ]
    if broken:
        nodes.append(helper.make_node("Mul", ["drawn", "strength"], ["output"]))
    if with_emap:
        constants.append(constant("buff2fs", emap() if matrix is None else matrix))
    inputs = [value("target", (1, 3, side, side)), value("source", (1, LATENT))]
    return save(path, nodes, inputs, [value("output", (1, 3, side, side))], constants)


def recognition(path: Path, *, batch: int | str = "n", length: int = LATENT) -> Path:
    """A picture's blocks, mixed into a vector."""
    mixing = np.random.default_rng(9).normal(0, 1, (3 * 8 * 8, length))
    helper = onnx.helper
    nodes = [
        helper.make_node("AveragePool", ["input.1"], ["small"], kernel_shape=[14, 14], strides=[14, 14]),
        helper.make_node("Flatten", ["small"], ["flat"]),
        helper.make_node("MatMul", ["flat", "mixing"], ["683"]),
    ]
    inputs = [value("input.1", (batch, 3, 112, 112))]
    return save(path, nodes, inputs, [value("683", (batch, length))], [constant("mixing", mixing)])


def mesh_models(folder: Path) -> Path:
    """Put the mesh's own models into a folder of model files. Raises UgclabError where they cannot be had."""
    settings = Settings()
    hub.ensure(WEIGHTS, settings.weights_dir, offline=settings.offline)
    for name in WEIGHTS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(settings.weights_dir / name)
    return folder


def stand_in(folder: Path) -> Path:
    """A folder of model files in which InsightFace's are small and made up."""
    mesh_models(folder)
    swapper(folder / SWAPPER)
    recognition(folder / RECOGNITION)
    return folder
