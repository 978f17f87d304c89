"""Two servers and three workers on one Postgres and one S3 server, and kill -9: nothing is lost, nothing doubled."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.doors import opened, storm
from tests.jobs.postgres import Postgres
from tests.storage import rclone


@pytest.fixture
def database() -> Iterator[str]:
    with Postgres.started() as server:
        yield server.fresh()


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_jobs_by_http_survive_kills_of_servers_and_workers(database: str, tmp_path: Path) -> None:
    try:
        rclone.program()
    except rclone.RcloneMissing as reason:
        pytest.fail(str(reason)) if os.environ.get("CI") else pytest.skip(str(reason))
    with opened(tmp_path / "doors", database, servers=2, workers=3, seed=1) as doors:
        doors.work(3)
        found = storm(doors, 12, every_s=1.0, strikes=6, limit_s=110)
    assert found["server_kills"] + found["worker_kills"] >= 2
    wrong = {name: found[name] for name in ("lost", "doubled", "ended_twice", "not_the_same_again", "broken")}
    assert not any(wrong.values()), found
