"""A database of the version before is upgraded in place, and nothing in it is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from ugclab.jobs.database import Database
from ugclab.jobs.heartbeat import Heartbeats
from ugclab.jobs.schema import MIGRATIONS, outbox
from ugclab.settings import Settings

BEFORE_DOORS = 5
OLD_OUTBOX = """
CREATE TABLE ugclab_outbox (
    event_id VARCHAR(40) NOT NULL PRIMARY KEY, job_id VARCHAR(26) NOT NULL, attempt INTEGER NOT NULL,
    url TEXT NOT NULL, payload TEXT NOT NULL, status VARCHAR(16) NOT NULL, tries INTEGER NOT NULL,
    last_error TEXT NOT NULL, created_at FLOAT NOT NULL, delivered_at FLOAT,
    CONSTRAINT ugclab_outbox_one_per_attempt UNIQUE (job_id, attempt)
)
"""
ROW = {
    "event_id": "msg_1", "job_id": "j", "attempt": 1, "url": "https://a.example", "payload": "{}", "status": "pending",
    "tries": 0, "last_error": "", "created_at": 1.0,
}  # fmt: skip


@pytest.fixture
def url(tmp_path: Path, database_url: str) -> str:
    return Settings(data_dir=tmp_path, database_url=database_url).queue_url


@pytest.fixture
def old(url: str) -> Iterator[str]:
    """A database as the version before the HTTP server left it."""
    database = Database(url)
    database.prepare(MIGRATIONS[:BEFORE_DOORS])
    with database.transaction() as connection:
        connection.execute(sa.text("DROP TABLE ugclab_outbox"))
        connection.execute(sa.text(OLD_OUTBOX))
        connection.execute(sa.text("CREATE INDEX ugclab_outbox_by_status ON ugclab_outbox (status)"))
        connection.execute(sa.text("ALTER TABLE ugclab_workers DROP COLUMN loaded"))
        names = ", ".join(ROW)
        connection.execute(sa.text(f"INSERT INTO ugclab_outbox ({names}) VALUES (:{', :'.join(ROW)})"), ROW)  # noqa: S608
    database.close()
    return url


def test_an_outbox_is_widened_and_keeps_its_news(old: str) -> None:
    database = Database(old)
    database.prepare()
    with database.transaction() as connection:
        (kept,) = connection.execute(outbox.select()).all()
        assert {name: getattr(kept, name) for name in ROW} == ROW
        assert kept.receiver == ""
        connection.execute(outbox.insert().values(**ROW | {"event_id": "msg_2", "receiver": "execute:o-1"}))
    with pytest.raises(sa.exc.IntegrityError), database.transaction() as connection:
        connection.execute(outbox.insert().values(**ROW | {"event_id": "msg_3"}))
    assert not sa.inspect(database.engine).has_table("ugclab_outbox_before")
    Heartbeats(database).begin("w", "stages-1", 1, "cpu")
    Heartbeats(database).beat("w", loaded=("mesh",))
    assert Heartbeats(database).list()[0].loaded == ("mesh",)
    database.close()
    again = Database(old)
    again.prepare()
    again.close()
