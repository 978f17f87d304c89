"""Reading emap: with the package onnx as the judge, and with files that are something else."""

from pathlib import Path

import numpy as np
import pytest

from tests.engines.inswapper import networks
from ugclab.engines.inswapper.graph import read_emap
from ugclab.errors import WeightsError

onnx = networks.onnx
TensorProto, helper, numpy_helper = onnx.TensorProto, onnx.helper, onnx.numpy_helper


def test_it_is_what_the_package_onnx_reads(tmp_path: Path) -> None:
    path = networks.swapper(tmp_path / "swap.onnx")
    judged = numpy_helper.to_array(onnx.load(str(path)).graph.initializer[-1])
    found = read_emap(path)
    assert found.dtype == np.float32
    assert np.array_equal(found, judged)
    assert np.array_equal(found, networks.emap())


@pytest.mark.parametrize(
    ("kind", "raw"),
    [(TensorProto.FLOAT16, True), (TensorProto.FLOAT, True), (TensorProto.FLOAT, False), (TensorProto.DOUBLE, True)],
)
def test_other_ways_of_writing_it(kind: int, raw: bool, tmp_path: Path) -> None:
    matrix = networks.emap()[:8, :8]
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    values = matrix.astype(dtype).tobytes() if raw else matrix.ravel().tolist()
    tensor = helper.make_tensor("emap", kind, (8, 8), values, raw=raw)
    graph = helper.make_graph([], "g", [], [], [tensor])
    onnx.save(helper.make_model(graph), str(tmp_path / "m.onnx"))
    assert np.allclose(read_emap(tmp_path / "m.onnx", 8), matrix.astype(dtype), atol=1e-6)


def test_a_graph_that_was_exported_again_has_lost_it(tmp_path: Path) -> None:
    """What an optimiser does: it removes what no node uses."""
    import onnxruntime

    networks.swapper(tmp_path / "swap.onnx")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "again.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(tmp_path / "swap.onnx"), options, providers=["CPUExecutionProvider"])
    assert (tmp_path / "again.onnx").exists()
    with pytest.raises(WeightsError, match="exported or optimised again has lost it") as caught:
        read_emap(tmp_path / "again.onnx")
    assert "ugclab models pull inswapper" in caught.value.hint


def test_a_weight_of_the_same_shape_is_not_taken_for_it(tmp_path: Path) -> None:
    node = helper.make_node("MatMul", ["x", "weight"], ["y"])
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 512)) for name in ("x", "y")]
    graph = helper.make_graph([node], "g", values[:1], values[1:], [numpy_helper.from_array(networks.emap(), "weight")])
    onnx.save(helper.make_model(graph), str(tmp_path / "m.onnx"))
    with pytest.raises(WeightsError, match="used by no node"):
        read_emap(tmp_path / "m.onnx")


@pytest.mark.parametrize("matrix", [np.ones((512, 511)), np.full((512, 512), np.nan)])
def test_another_matrix_is_refused(matrix: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        read_emap(networks.swapper(tmp_path / "swap.onnx", matrix=matrix))


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"not a model", b"<html>404</html>" * 50, b"\xff" * 200])
def test_what_is_no_model_is_said_to_be_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        read_emap(tmp_path / "m.onnx")
    assert "m.onnx" in caught.value.message


def test_a_file_cut_short_is_said_to_be(tmp_path: Path) -> None:
    path = networks.swapper(tmp_path / "swap.onnx")
    whole = path.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(WeightsError):
            read_emap(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        read_emap(tmp_path / "no.onnx")
