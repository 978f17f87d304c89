"""Which model files exist for us: where they come from, how large they are, which hash they have, who may use them.

The face and hand models are Google's, published as single files and, byte for byte the same, inside the wheel
mediapipe 0.10.21.
Newer wheels hold no models and older ones pin numpy < 2, so mediapipe is never installed: its wheel is only unpacked.
"""

from ugclab.schema.base import Frozen

MEDIAPIPE_WHEEL = "mediapipe==0.10.21"
"""The last release whose wheel (35.6 MB) holds the models."""

MEDIAPIPE_ASSETS = "https://storage.googleapis.com/mediapipe-assets"
"""Where Google publishes the same files singly."""


class UrlSource(Frozen):
    """One file behind one address."""

    url: str

    def __str__(self) -> str:
        return self.url


class WheelSource(Frozen):
    """One member of a wheel that pip can download."""

    requirement: str
    member: str

    def __str__(self) -> str:
        return f"{self.member} of the wheel {self.requirement}"


class ModelFile(Frozen):
    """A model file. Its name is its path below the folder of model files."""

    name: str
    size_bytes: int
    sha256: str
    licence: str
    sources: tuple[UrlSource | WheelSource, ...]
    """Tried in this order."""
    used_by: tuple[str, ...] = ()
    """Names of the engines that load it."""


def _mediapipe(module: str, file: str, size_bytes: int, sha256: str, used_by: tuple[str, ...] = ()) -> ModelFile:
    """Describe one of mediapipe's models, which all come from the same two places."""
    return ModelFile(
        name=f"mediapipe/{file}",
        size_bytes=size_bytes,
        sha256=sha256,
        licence="Apache-2.0",
        sources=(
            UrlSource(url=f"{MEDIAPIPE_ASSETS}/{file}"),
            WheelSource(requirement=MEDIAPIPE_WHEEL, member=f"mediapipe/modules/{module}/{file}"),
        ),
        used_by=used_by,
    )


CATALOG: dict[str, ModelFile] = {
    entry.name: entry
    for entry in (
        _mediapipe(
            "face_landmark",
            "face_landmark.tflite",
            1_242_398,
            "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
            ("mesh",),
        ),
        _mediapipe(
            "face_detection",
            "face_detection_full_range_sparse.tflite",
            676_746,
            "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
            ("mesh",),
        ),
        _mediapipe(
            "palm_detection",
            "palm_detection_lite.tflite",
            1_985_440,
            "e9a4aaddf90dda56a87235303cf00e4c2d3fb28725f68fd88772997dac905c18",
            ("mesh",),
        ),
        _mediapipe(
            "hand_landmark",
            "hand_landmark_lite.tflite",
            2_071_597,
            "048edd3645c9bf7397d19a9f6e3a42957d6e414c9bea6598030a2e9b624156e6",
            ("mesh",),
        ),
        _mediapipe(
            "face_detection",
            "face_detection_short_range.tflite",
            229_714,
            "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
        ),
        _mediapipe(
            "iris_landmark",
            "iris_landmark.tflite",
            2_640_568,
            "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
            ("mesh",),
        ),
        _mediapipe(
            "selfie_segmentation",
            "selfie_segmentation.tflite",
            249_505,
            "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
        ),
        _mediapipe(
            "selfie_segmentation",
            "selfie_segmentation_landscape.tflite",
            250_145,
            "a77d03f4659b9f6b6c1f5106947bf40e99d7655094b6527f214ea7d451106edd",
        ),
    )
}
"""Every model file that an engine may name, by its name."""
