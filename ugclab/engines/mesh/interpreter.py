"""A .tflite file made ready to run: one thread, XNNPACK."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ugclab.errors import EngineUnavailable, WeightsCorrupt


class Model:
    """One model with one input; outputs are copied, so they outlive the next run."""

    def __init__(self, path: Path) -> None:
        """Load a verified model file. Raises EngineUnavailable without LiteRT, WeightsCorrupt for a file it refuses."""
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise EngineUnavailable("LiteRT is not installed", hint="type: pip install ai-edge-litert") from error
        if not path.is_file():
            raise EngineUnavailable(f"the model file {path.name} is missing", hint="type: ugclab models pull")
        try:
            with _quiet_native_stderr():
                self._interpreter: Any = Interpreter(str(path), num_threads=1)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise WeightsCorrupt(f"{path.name} is not a model", hint="type: ugclab models verify") from error
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]

    def run(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run on one image (height, width, channels); the outputs in the file's order."""
        self._interpreter.set_tensor(self._input, image[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


@contextmanager
def _quiet_native_stderr() -> Iterator[None]:
    """The runtime announces its delegate on file descriptor 2, from C++; nobody asked."""
    sys.stderr.flush()
    saved = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)
