"""Networks on ONNX Runtime: loaded once, on the GPU where one is, with the inputs and outputs they must have.

ONNX Runtime falls back to the CPU without a word where its CUDA libraries do not load, and the package for CPUs does
not look for a GPU at all. Either way a GPU that somebody pays for stands idle while the CPU takes minutes: both are
errors.
"""

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ugclab.errors import EngineError, EngineUnavailable, WeightsError

Floats = NDArray[np.float32]
Shape = tuple[int, ...]
Device = Literal["auto", "cpu", "cuda"]

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
PACKAGE_HINT = (
    "put the package for GPUs in its place: pip uninstall onnxruntime && pip install 'ugclab[inswapper-gpu]'; "
    "or hide the GPU to run on the CPU: CUDA_VISIBLE_DEVICES=''"
)
LIBRARIES_HINT = (
    "install CUDA and cuDNN as the release notes of this onnxruntime-gpu ask for them, then try again; or hide the GPU "
    "to run on the CPU: CUDA_VISIBLE_DEVICES=''"
)


def visible_gpus() -> int:
    """How many NVIDIA GPUs this process may use: the driver counts, so CUDA_VISIBLE_DEVICES holds."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def choose(device: Device, gpus: Callable[[], int] = visible_gpus) -> str:
    """The execution provider to run on. `auto` is the GPU where there is one. Raises EngineUnavailable."""
    import onnxruntime

    if device == "cpu" or (device == "auto" and not gpus()):
        return CPU
    if CUDA not in onnxruntime.get_available_providers():
        seen = "there is a GPU here" if gpus() else "CUDA was asked for"
        raise EngineUnavailable(
            f"{seen}, but the installed ONNX Runtime {onnxruntime.__version__} runs on CPUs only", hint=PACKAGE_HINT
        )
    return CUDA


class Network:
    """One model file, loaded: images and vectors in by their shapes, one array out."""

    def __init__(self, path: Path, inputs: tuple[Shape, ...], output: Shape, provider: str) -> None:
        """Load it for inputs and an output of these shapes, in any order. Raises WeightsError, EngineUnavailable."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # it warns of emap, which no node uses
        providers = [provider] if provider == CPU else [provider, CPU]
        try:
            self._session: Any = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # its errors share no type of their own
            raise WeightsError(
                f"the model file {path.name} cannot be loaded: {_first_line(error)}",
                hint="fetch it anew: ugclab models pull inswapper",
            ) from error
        if self._session.get_providers()[0] != provider:
            raise EngineUnavailable(
                f"{path.name} was to run on the GPU, but ONNX Runtime {onnxruntime.__version__} could not load CUDA "
                "and fell back to the CPU",
                hint=LIBRARIES_HINT,
            )
        self._name = path.name
        self._names = _matched(path.name, self._session.get_inputs(), inputs)
        self._shape = output
        if len(self._session.get_outputs()) != 1 or not _fits(self._session.get_outputs()[0].shape, output):
            raise _unlike(path.name, "outputs", self._session.get_outputs(), (output,))

    def run(self, *values: Floats) -> Floats:
        """The output for one value an input, in the order their shapes were given. Raises EngineError."""
        try:
            (result,) = self._session.run(None, dict(zip(self._names, values, strict=True)))
        except Exception as error:
            raise EngineError(
                f"{self._name} failed while running: {_first_line(error)}",
                hint="if it ran out of memory, use fewer workers (UGCLAB_WORKER_SLOTS)",
            ) from error
        if result.shape != self._shape:
            raise EngineError(
                f"{self._name} gave an array of shape {result.shape} instead of {self._shape}",
                hint="fetch it anew: ugclab models pull inswapper",
            )
        found: Floats = np.asarray(result, np.float32)
        return found


def _matched(name: str, given: list[Any], wanted: tuple[Shape, ...]) -> list[str]:
    """The input's name for each shape."""
    names = []
    for shape in wanted:
        found = [value.name for value in given if value.type == "tensor(float)" and _fits(value.shape, shape)]
        if len(found) != 1:
            raise _unlike(name, "inputs", given, wanted)
        names += found
    if len(given) != len(wanted):
        raise _unlike(name, "inputs", given, wanted)
    return names


def _fits(declared: list[int | str | None], shape: Shape) -> bool:
    """Whether a declared shape, in which a size may be open, allows this one."""
    return len(declared) == len(shape) and all(
        not isinstance(a, int) or a == b for a, b in zip(declared, shape, strict=True)
    )


def _unlike(name: str, what: str, given: list[Any], wanted: tuple[Shape, ...]) -> WeightsError:
    shown = ", ".join(f"{value.name} {value.shape}" for value in given)
    return WeightsError(
        f"{name} has the {what} {shown or 'none'} instead of {', '.join(str(list(shape)) for shape in wanted)}: it is "
        "another network",
        hint="fetch the publisher's file: ugclab models pull inswapper",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
