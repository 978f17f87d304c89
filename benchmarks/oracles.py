"""Judges of identity and expression that share nothing with the product: dlib's ResNet and its 68-point predictor.

Both come as files of the package `face_recognition_models` (extra `quality`). The package itself is never imported,
because it needs pkg_resources, which new setuptools no longer have.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ugclab.errors import EngineUnavailable

SAME_PERSON = 0.6
"""dlib's own threshold: two pictures nearer than this show the same person."""

RECTANGLE_SHARE = 0.88
"""Side of the square dlib's detector puts on a face, over the longer side of the face mesh's box (measured)."""


class Oracles:
    """Looks at an upright RGB window round one face, (height, width, 3), uint8."""

    def __init__(self) -> None:
        try:
            import dlib
        except ImportError as error:
            raise EngineUnavailable("dlib is not installed", hint="type: pip install 'ugclab[quality]'") from error
        spec = find_spec("face_recognition_models")
        if spec is None or spec.origin is None:
            raise EngineUnavailable("dlib's models are missing", hint="type: pip install 'ugclab[quality]'")
        folder = Path(spec.origin).parent / "models"
        self._dlib: Any = dlib
        self._shape = dlib.shape_predictor(str(folder / "shape_predictor_68_face_landmarks.dat"))
        self._encode = dlib.face_recognition_model_v1(str(folder / "dlib_face_recognition_resnet_model_v1.dat"))

    def find_shape(self, rgb: NDArray[np.uint8], mesh: NDArray[np.floating]) -> Any:
        """Predict the 68 points, from where the mesh (points in the window, px) says the face is."""
        low, high = mesh[:, :2].min(0), mesh[:, :2].max(0)
        centre, half = (low + high) / 2, float((high - low).max()) * RECTANGLE_SHARE / 2
        corners = [round(float(v)) for v in (*(centre - half), *(centre + half))]
        return self._shape(rgb, self._dlib.rectangle(*corners))

    @staticmethod
    def points(shape: Any) -> NDArray[np.float32]:
        """Turn a shape into an array (68, 2), px."""
        return np.array([(p.x, p.y) for p in shape.parts()], np.float32)

    def embed(self, rgb: NDArray[np.uint8], shape: Any) -> NDArray[np.float64]:
        """Embed a face: 128 numbers whose Euclidean distance tells persons apart."""
        return np.array(self._encode.compute_face_descriptor(rgb, shape))
