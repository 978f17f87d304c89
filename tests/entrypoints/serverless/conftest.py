"""Footage and faces on loopback, and where a worker of the tests keeps its things. Nothing here needs runpod."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.entrypoints.serverless.plane import Plane, serving
from tests.entrypoints.serverless.runpods import BUCKET
from tests.face_clips import write_clip
from tests.storage import rclone
from ugclab.media.images import encode_png

PLAN = "0-0.6:swap,0.6-1.2:keep,1.2-1.8:swap"


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 1.8 s of footage that shows nobody, and a picture."""
    folder = tmp_path_factory.mktemp("footage")
    write_clip(folder / "clip.mp4", frames=45, audio=True, has_face=lambda n: False, width=160, height=120)
    picture = np.full((64, 64, 3), (200, 150, 120), np.uint8)
    (folder / "avatar.png").write_bytes(encode_png(picture))
    (folder / "page.mp4").write_text("<html>sign in</html>")
    return folder


@pytest.fixture
def plane(footage: Path) -> Iterator[Plane]:
    """The server of files, and of jobs."""
    with serving(footage) as running:
        yield running


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Where the engine `ledger` writes down what it does, and is told what to do."""
    folder = tmp_path / "ledger"
    folder.mkdir()
    return folder


@pytest.fixture
def order(plane: Plane) -> dict[str, Any]:
    """What callers send."""
    return {
        "source_video_url": plane.file("clip.mp4"),
        "avatar_image_url": plane.file("avatar.png"),
        "engine": "ledger",
        "plan": PLAN,
        "record_id": "rec1",
        "consent": "public-domain",
    }


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an S3 server that checks signatures, with an empty bucket for results."""
    folder = tmp_path_factory.mktemp("buckets")
    (folder / BUCKET).mkdir()
    try:
        rclone.program()
    except rclone.RcloneMissing as reason:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(reason))
    with rclone.serving(folder) as address:
        yield address
