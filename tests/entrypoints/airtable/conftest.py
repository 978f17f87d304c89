"""A base with our table, a queue of its own, and jobs that end when a test says so."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.entrypoints.airtable.standin import BASE, TOKEN, Standin, airtable
from ugclab.entrypoints.airtable.client import Airtable
from ugclab.entrypoints.airtable.courier import USER, Courier, Moved
from ugclab.entrypoints.airtable.fields import COLUMNS
from ugclab.jobs import records
from ugclab.jobs.queue import Queue
from ugclab.schema.job import JobError, JobState, JobView, Principal
from ugclab.schema.media import Asset
from ugclab.settings import Settings

OWNER = Principal(user=USER, trust="service")
CLIP = "https://files.example/clip.mp4?signature=verysecret"
FACE = "https://files.example/face.jpg"
GOOD = {"Status": "Pending", "Source_Video_URL": CLIP, "Avatar_Image_URL": FACE, "Consent": "own-face"}


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a queue without jobs: its hundred migrations are made once."""
    folder = tmp_path_factory.mktemp("prepared")
    with Queue(Settings(data_dir=folder)) as queue:
        queue.database.prepare()
    return folder / "queue.sqlite"


@pytest.fixture
def empty() -> Iterator[Standin]:
    """A base without tables."""
    with airtable() as standin:
        yield standin


@pytest.fixture
def base(empty: Standin) -> Standin:
    """A base with the table as `init` makes it."""
    empty.table("UGC videos", *(column.model() for column in COLUMNS))
    return empty


@pytest.fixture
def mine(empty: Standin, tmp_path: Path, prepared: Path) -> Settings:
    """An installation that knows the base."""
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(prepared, data / "queue.sqlite")
    return Settings(
        data_dir=data,
        public_url="https://videos.example",
        airtable_key=SecretStr(TOKEN),
        airtable_base=BASE,
        airtable_url=empty.url,
    )


@pytest.fixture
def queue(mine: Settings) -> Iterator[Queue]:
    with Queue(mine) as made:
        yield made


@pytest.fixture
def table(empty: Standin, mine: Settings) -> Airtable:
    """The client, in time that passes only while it sleeps."""
    return Airtable(mine, clock=empty.clock, sleep=empty.clock.sleep)


@pytest.fixture
def moved() -> list[Moved]:
    return []


@pytest.fixture
def courier(base: Standin, table: Airtable, queue: Queue, moved: list[Moved]) -> Courier:
    return Courier(table, queue, tell=moved.append)


Finish = Callable[..., JobView]


@pytest.fixture
def finish(queue: Queue) -> Finish:
    """End the newest job of a row, as a worker would."""

    def end(record_id: str, state: JobState = JobState.SUCCEEDED, **error: Any) -> JobView:
        job = queue.list(OWNER, record_id=record_id, limit=1)[0]
        key = f"users/{USER}/projects/airtable/renders/{job.job_id}.mp4"
        output = Asset(key=key, sha256="0" * 64, size_bytes=9, media_type="video/mp4", name="made.mp4")
        if job.status.terminal:
            return job
        with queue.database.transaction() as connection:
            assert records.end(
                connection,
                queue.database,
                queue.flow,
                job.job_id,
                state,
                error=JobError(**({"code": "face_not_found", "message": "no face"} | error)) if error else None,
                output=output if state is JobState.SUCCEEDED else None,
                cost_usd=0.04321,
            )
        return queue.get(job.job_id, OWNER)

    return end
