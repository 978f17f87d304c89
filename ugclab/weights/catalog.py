"""Which model files exist for us: where they come from, how large they are, which hash they have, who may use them.

The face and hand models are Google's, published as single files and, byte for byte the same, inside the wheel
mediapipe 0.10.21.
Newer wheels hold no models and older ones pin numpy < 2, so mediapipe is never installed: its wheel is only unpacked.

InsightFace's are for non-commercial research only. Their sizes and hashes are those that many independent projects pin
for the publisher's files; they were not fetched to check them, so an address that gives something else gives nothing.
"""

from ugclab.schema.base import Frozen

MEDIAPIPE_WHEEL = "mediapipe==0.10.21"
"""The last release whose wheel (35.6 MB) holds the models."""

MEDIAPIPE_ASSETS = "https://storage.googleapis.com/mediapipe-assets"
"""Where Google publishes the same files singly."""

INSIGHTFACE_RELEASES = "https://github.com/deepinsight/insightface/releases/download"
"""Where InsightFace publishes its models."""

INSIGHTFACE_LICENCE = "InsightFace: non-commercial research only"


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


class ArchiveSource(Frozen):
    """One member of a zip file behind an address, which is checked like a model file."""

    url: str
    size_bytes: int
    sha256: str
    member: str

    def __str__(self) -> str:
        return f"{self.member} of {self.url}"


Source = UrlSource | WheelSource | ArchiveSource


class ModelFile(Frozen):
    """A model file. Its name is its path below the folder of model files."""

    name: str
    size_bytes: int
    sha256: str
    licence: str
    sources: tuple[Source, ...]
    """Tried in this order."""
    used_by: tuple[str, ...] = ()
    """Names of the engines that load it."""
    terms: str = ""
    """What somebody must accept before it is fetched, in a sentence; empty where nothing needs to be."""


INSIGHTFACE_TERMS = (
    "InsightFace gives its models, however they are fetched, for non-commercial research purposes only; its own words "
    "are at https://github.com/deepinsight/insightface, section License"
)

FOLLOWING = ("inswapper", "mesh", "remote", "wan-cli", "wan-diffusers")
"""Engines that follow faces by mediapipe's models."""


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


def _insightface(file: str, size_bytes: int, sha256: str, *sources: Source) -> ModelFile:
    """Describe one of InsightFace's models."""
    return ModelFile(
        name=f"insightface/{file}",
        size_bytes=size_bytes,
        sha256=sha256,
        licence=INSIGHTFACE_LICENCE,
        sources=sources,
        used_by=("inswapper",),
        terms=INSIGHTFACE_TERMS,
    )


CATALOG: dict[str, ModelFile] = {
    entry.name: entry
    for entry in (
        _mediapipe(
            "face_landmark",
            "face_landmark.tflite",
            1_242_398,
            "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
            FOLLOWING,
        ),
        _mediapipe(
            "face_detection",
            "face_detection_full_range_sparse.tflite",
            676_746,
            "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
            FOLLOWING,
        ),
        _mediapipe(
            "palm_detection",
            "palm_detection_lite.tflite",
            1_985_440,
            "e9a4aaddf90dda56a87235303cf00e4c2d3fb28725f68fd88772997dac905c18",
            FOLLOWING,
        ),
        _mediapipe(
            "hand_landmark",
            "hand_landmark_lite.tflite",
            2_071_597,
            "048edd3645c9bf7397d19a9f6e3a42957d6e414c9bea6598030a2e9b624156e6",
            FOLLOWING,
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
        _insightface(
            "w600k_r50.onnx",
            174_383_860,
            "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
            ArchiveSource(
                url=f"{INSIGHTFACE_RELEASES}/v0.7/buffalo_l.zip",
                size_bytes=288_621_354,
                sha256="80ffe37d8a5940d59a7384c201a2a38d4741f2f3c51eef46ebb28218a7b0ca2f",
                member="w600k_r50.onnx",
            ),
        ),
        _insightface(
            "inswapper_128.onnx",
            554_253_681,
            "e4a3f08c753cb72d04e10aa0f7dbe3deebbf39567d4ead6dce08e98aa49e16af",
            UrlSource(url=f"{INSIGHTFACE_RELEASES}/v0.7/inswapper_128.onnx"),
            UrlSource(url=f"{INSIGHTFACE_RELEASES}/model-zoo/inswapper_128.onnx"),
        ),
    )
}
"""Every model file that an engine may name, by its name."""
