"""What lies outside fails: the store, the database, the footage itself. Jobs are neither lost nor stuck."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.jobs.conftest import ME, Home
from tests.jobs.postgres import Postgres
from tests.storage import rclone
from tests.storage.conftest import rclone_server
from ugclab.jobs.queue import Queue
from ugclab.schema.job import JobState
from ugclab.schema.media import Asset
from ugclab.settings import Settings
from ugclab.storage.s3 import connect

pytestmark = pytest.mark.slow
__all__ = ["rclone_server"]


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database outside the data folder, so that two folders are two machines."""
    return f"sqlite:///{tmp_path / 'shared.sqlite'}"


@pytest.fixture
def bucket(home: Home, rclone_server: str, monkeypatch: pytest.MonkeyPatch) -> Queue:
    """The same installation with its store on S3."""
    variables = {
        "AWS_ENDPOINT_URL_S3": rclone_server,
        "AWS_ACCESS_KEY_ID": rclone.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": rclone.SECRET_KEY,
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "UGCLAB_S3_BUCKET": f"jobs-{os.getpid()}-{len(list(home.settings.data_dir.parent.parent.iterdir()))}",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    home.environment.update(variables)
    connect().create_bucket(Bucket=variables["UGCLAB_S3_BUCKET"])
    home.queue.close()
    home.settings = Settings()
    home.queue = Queue(home.settings)
    return home.queue


def test_another_machine_goes_on_after_the_last_finished_segment(home: Home, bucket: Queue, tmp_path: Path) -> None:
    home.pace(1, 1.2)
    job_id = home.queue.submit(home.request()).job_id
    first = home.worker()
    home.until(lambda: len(home.lines("swap-begin")) == 2)
    home.kill(first)
    home.pace(0)
    home.worker(UGCLAB_DATA_DIR=str(tmp_path / "another machine"))
    job = home.succeeded(job_id)
    assert len(home.lines("swap-begin")) == 3
    assert len(home.lines("analyse-begin")) == 1
    assert job.output is not None
    out = tmp_path / "out.mp4"
    assert home.queue.store.get_file(job.output.key, out, sha256=job.output.sha256).size_bytes == out.stat().st_size
    home.queue.delete_user("ann", ME)
    assert list(home.queue.store.list("")) == []


def test_a_store_that_is_set_up_wrongly_is_said_at_once(home: Home, bucket: Queue) -> None:
    for variables, code in (
        ({"UGCLAB_S3_BUCKET": "no-such-bucket"}, 61),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, 61),
        ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}, 62),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "ugclab", "worker", "--until-idle"],
            env=home.environment | variables,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "hint:" in done.stderr
        assert "Traceback" not in done.stderr


def test_footage_that_changed_in_the_store_is_not_used(home: Home) -> None:
    (home.ledger / "fail-swap").write_text("engine")
    home.worker()
    job_id = home.queue.submit(home.request()).job_id
    assert home.finished(job_id).status is JobState.FAILED
    source = _source(home, job_id)
    path = home.queue.store.path(source.key)  # type: ignore[attr-defined]
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    home.queue.retry(job_id, ME)
    job = home.finished(job_id)
    assert job.error is not None
    assert job.error.code == "store_corrupt"
    path.unlink()
    home.queue.retry(job_id, ME)
    job = home.finished(job_id)
    assert job.error is not None
    assert job.error.code == "store_corrupt"


def _source(home: Home, job_id: str) -> Asset:
    with home.queue.database.reading() as connection:
        from ugclab.jobs import records
        from ugclab.schema.job import Request

        row = records.find(connection, job_id)
        assert row is not None
        source = Request.model_validate_json(row.request).input.source
    assert isinstance(source, Asset)
    return source


def test_a_disk_that_is_full_fails_the_job_and_a_retry_goes_on(home: Home) -> None:
    (home.ledger / "fail-swap").write_text("disk_full")
    home.worker()
    job_id = home.queue.submit(home.request()).job_id
    job = home.finished(job_id)
    assert job.error is not None
    assert job.error.code == "disk_full"
    home.queue.retry(job_id, ME)
    home.succeeded(job_id)


class TestDatabaseAway:
    @pytest.fixture
    def database_url(self, postgres: Postgres) -> str:
        return postgres.fresh()

    def test_a_database_that_comes_back_finds_the_job_done(self, home: Home, postgres: Postgres) -> None:
        home.pace(0.2)
        worker = home.worker()
        job_id = home.queue.submit(home.request()).job_id
        home.until(lambda: home.lines("swap-begin"))
        postgres.stop("immediate")
        home.pace(0)
        with pytest.raises(Exception, match="does not answer"):
            home.queue.get(job_id, ME)
        home.until(lambda: home.lines("swap-end"))
        postgres.start()
        home.succeeded(job_id)
        assert worker.poll() is None
        other = home.queue.submit(home.request(options={"seed": 3}))
        home.succeeded(other.job_id)
