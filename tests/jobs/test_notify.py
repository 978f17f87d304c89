"""The news of a job's end: out of the outbox, signed, again and again under one id, and then no more."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from standardwebhooks.webhooks import Webhook

from tests.jobs.conftest import ME, Home
from tests.jobs.receiver import Receiver, receiving
from ugclab.jobs.flow import NOTIFY
from ugclab.jobs.notify import Notifier
from ugclab.jobs.queue import Queue
from ugclab.jobs.schema import outbox
from ugclab.settings import Settings

SECRET = "whsec_" + "bmV2ZXIgdXNlZCBhbnl3aGVyZSBlbHNl"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def database_url() -> str:
    """SQLite will do: nothing here is the database's."""
    return ""


@pytest.fixture
def told(home: Home, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Queue, Notifier]]:
    """A queue whose jobs may have that receiver."""
    monkeypatch.setenv("UGCLAB_INTAKE_HOSTS", receiver.host)
    monkeypatch.setenv("UGCLAB_WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("UGCLAB_WEBHOOK_RETRIES_S", "0,1,2")
    settings = Settings()
    with Queue(settings) as queue:
        yield queue, Notifier(queue.database, queue.flow, settings, queue.client, jitter=lambda: 0.0)


def cancelled(home: Home, queue: Queue, receiver: Receiver) -> str:
    """End a job; its event's id."""
    job = queue.submit(home.request(webhook_url=receiver.url, record_id="rec42"))
    queue.cancel(job.job_id, ME)
    with queue.database.reading() as connection:
        return str(connection.execute(sa.select(outbox.c.event_id)).scalar_one())


def state(queue: Queue) -> tuple[str, int, str]:
    with queue.database.reading() as connection:
        row = connection.execute(outbox.select()).one()
    return row.status, row.tries, row.last_error


def waiting(queue: Queue) -> list[str]:
    """Deliveries in line."""
    found = queue.flow.client.list_workflows(name=NOTIFY, status=["ENQUEUED", "DELAYED"])
    return sorted(w.workflow_id for w in found)


def test_an_event_is_signed_and_told_once(home: Home, receiver: Receiver, told: tuple[Queue, Notifier]) -> None:
    queue, notifier = told
    event = cancelled(home, queue, receiver)
    assert waiting(queue) == [f"{event}.0"]
    assert notifier.deliver(event, 0) == "delivered"
    (first,) = receiver.told
    assert first.headers["webhook-id"] == event
    assert Webhook(SECRET).verify(first.body, first.headers)
    document = json.loads(first.body)
    assert document["record_id"] == "rec42"
    assert document["status"] == "cancelled"
    assert document["type"] == "job.cancelled"
    assert {"job_id", "output_video_url", "error", "report"} <= document.keys()
    assert notifier.deliver(event, 0) == "nothing to do"  # a run that was taken over says it no second time
    assert len(receiver.told) == 1


def test_tries_follow_the_schedule_under_one_id(home: Home, receiver: Receiver, told: tuple[Queue, Notifier]) -> None:
    queue, notifier = told
    receiver.answer = lambda number: 503
    event = cancelled(home, queue, receiver)
    assert [notifier.deliver(event, number) for number in range(3)] == ["pending", "pending", "given_up"]
    assert len({t.headers["webhook-id"] for t in receiver.told}) == 1
    assert len({t.body for t in receiver.told}) == 1
    assert waiting(queue) == [f"{event}.0", f"{event}.1", f"{event}.2"]
    assert state(queue) == ("given_up", 3, "the receiver answered 503")


def test_gone_means_never_again(home: Home, receiver: Receiver, told: tuple[Queue, Notifier]) -> None:
    queue, notifier = told
    receiver.answer = lambda number: 410
    assert notifier.deliver(cancelled(home, queue, receiver), 0) == "refused"
    assert state(queue)[0] == "refused"


def test_a_host_no_longer_allowed_is_not_told(home: Home, receiver: Receiver, told: tuple[Queue, Notifier]) -> None:
    queue, _ = told
    event = cancelled(home, queue, receiver)
    with Queue(home.settings) as strict:
        notifier = Notifier(strict.database, strict.flow, home.settings, strict.client)
        assert notifier.deliver(event, 0) == "refused"
    assert receiver.told == []


@pytest.mark.slow
def test_a_worker_tells_of_the_end_and_again(
    home: Home, receiver: Receiver, told: tuple[Queue, Notifier], tmp_path: Path
) -> None:
    queue, _ = told
    receiver.answer = lambda number: 500 if number == 0 else 200
    home.worker(
        UGCLAB_INTAKE_HOSTS=receiver.host,
        UGCLAB_WEBHOOK_SECRET=SECRET,
        UGCLAB_WEBHOOK_RETRIES_S="0,0.5,2",
        UGCLAB_PUBLIC_URL="https://lab.example.org",
    )
    job = queue.submit(home.request(webhook_url=receiver.url))
    home.succeeded(job.job_id)
    home.until(lambda: len(receiver.told) == 2)
    document = json.loads(receiver.told[1].body)
    token = document["output_video_url"].rpartition("/")[2]
    assert queue.links.resolve(token) == queue.get(job.job_id, ME).output
    assert document["report"]["swapped_frames"] == 30
    assert home.until(lambda: state(queue)[0] == "delivered")
    queue.links.revoke(job.job_id)
    with pytest.raises(Exception, match="nowhere"):
        queue.links.resolve(token)
