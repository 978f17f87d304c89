"""Every job ends once, whatever dies, freezes or fails meanwhile."""

import os
from pathlib import Path

import pytest

from tests.acceptance.chaos import run
from tests.acceptance.storm import Storm
from tests.jobs.postgres import Postgres
from tests.storage import rclone

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_nothing_is_lost_or_doubled_on_sqlite(tmp_path: Path) -> None:
    found = run(Storm(seed=4, jobs=20), tmp_path)
    assert found["worker_kills"]
    assert found["freezes"]


def test_nothing_is_lost_or_doubled_on_postgres_and_s3(tmp_path: Path) -> None:
    try:
        rclone.program()
    except rclone.RcloneMissing as reason:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(reason))
    with Postgres.started() as server:
        run(Storm(seed=5, jobs=12, database_url=server.fresh(), machines=True), tmp_path)
