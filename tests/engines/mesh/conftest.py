"""The two models, and two people as stills: what tests of following, checking and wearing are made of."""

import pytest

from tests.engines.mesh.people import Actor
from ugclab.engines.mesh.detector import Detector
from ugclab.engines.mesh.following import DETECTOR, LANDMARKS
from ugclab.engines.mesh.landmarks import Landmarker
from ugclab.errors import UgclabError
from ugclab.settings import Settings
from ugclab.weights import hub

Models = tuple[Detector, Landmarker]


@pytest.fixture(scope="session")
def models() -> Models:
    settings = Settings()
    try:
        hub.ensure((DETECTOR, LANDMARKS), settings.weights_dir, offline=settings.offline)
    except UgclabError as error:
        pytest.skip(f"no model files: {error}")
    return Detector(settings.weights_dir / DETECTOR), Landmarker(settings.weights_dir / LANDMARKS)


@pytest.fixture(scope="session")
def talker(models: Models) -> Actor:
    """The woman of the sample clip."""
    return Actor.from_clip(*models)


@pytest.fixture(scope="session")
def officer(models: Models) -> Actor:
    """The woman of the sample avatar, who wears glasses."""
    return Actor.from_avatar(*models)
