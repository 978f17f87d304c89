"""The models and people of the embedded engine's tests."""

from tests.engines.mesh.conftest import models, talker  # noqa: F401 fixtures
