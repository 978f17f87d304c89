"""What every door may ask of the queue, without a worker: nothing runs here."""

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.jobs.conftest import AGREED, ME, Home
from ugclab.errors import (
    ConsentError,
    EngineNotFound,
    InputError,
    JobConflict,
    JobNotFound,
    LimitReached,
    PlanError,
    QueueError,
)
from ugclab.jobs import records
from ugclab.jobs.database import Database
from ugclab.jobs.queue import Queue
from ugclab.jobs.schema import MIGRATIONS, deletions, jobs, outbox, seen
from ugclab.schema.job import Consent, JobProgress, JobState, Principal, Priority
from ugclab.settings import Settings

OTHER = Principal(user="bob", trust="service")


def test_a_job_is_queued_with_its_inputs_in_the_store(home: Home) -> None:
    job = home.queue.submit(home.request(record_id="rec1", priority=Priority.HIGH))
    assert job.status is JobState.QUEUED
    assert (job.user, job.project, job.source, job.avatar) == ("ann", "ad", "small clip.mp4", "avatar.png")
    assert job.priority is Priority.HIGH
    assert home.queue.get(job.job_id, ME) == job
    keys = [stored.key for stored in home.queue.store.list("users/ann/projects/ad/source")]
    assert len(keys) == 2


def test_the_same_request_is_the_same_job(home: Home, tmp_path: Path) -> None:
    first = home.queue.submit(home.request())
    again = home.queue.submit(home.request())
    copied = tmp_path / "another name.mp4"
    copied.write_bytes(home.clip.read_bytes())
    assert again.job_id == first.job_id
    assert home.queue.submit(home.request(source=str(copied))).job_id == first.job_id  # the bytes count, not the name
    assert home.queue.submit(home.request(project="other")).job_id != first.job_id
    assert home.queue.submit(home.request(plan="0-1:swap")).job_id != first.job_id
    home.queue.cancel(first.job_id, ME)
    assert home.queue.submit(home.request()).job_id != first.job_id


def test_a_caller_may_say_itself_what_is_the_same(home: Home) -> None:
    first = home.queue.submit(home.request(record_id="r_1"), same_as="row 1")
    assert home.queue.submit(home.request(plan="0-1:swap"), same_as="row 1").job_id == first.job_id
    assert home.queue.submit(home.request(project="other"), same_as="row 1").job_id != first.job_id
    second = home.queue.submit(home.request(record_id="rx1"), same_as="row 2")
    assert second.job_id != first.job_id
    assert [job.job_id for job in home.queue.list(ME, record_id="r_1")] == [first.job_id]
    for name in ("r%", 'r_1"', "r_", "ann"):
        assert home.queue.list(ME, record_id=name) == ()


def test_many_submits_at_once_make_one_job(home: Home) -> None:
    request = home.request()
    found, faults = set(), []

    def submit() -> None:
        try:
            with Queue(home.settings) as queue:
                found.add(queue.submit(request).job_id)
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert len(found) == 1


def test_what_can_never_work_is_refused_at_once(home: Home, tmp_path: Path) -> None:
    submit = home.queue.submit
    with pytest.raises(EngineNotFound):
        submit(home.request(engine="mehs"))
    with pytest.raises(PlanError):
        submit(home.request(plan="0-99:swap"))
    with pytest.raises(PlanError, match="swaps nothing"):
        submit(home.request(plan="0-1:keep"))
    with pytest.raises(InputError):
        submit(home.request(source=str(tmp_path / "missing.mp4")))
    with pytest.raises(InputError):
        submit(home.request(principal=OTHER))  # a path, from somebody who is not at this machine
    assert home.queue.list(ME) == ()


def test_consent_is_somebody_and_a_date() -> None:
    assert Consent.parse("Ada Lovelace, of London, 1842-09-01").agreed_by == "Ada Lovelace, of London"
    assert Consent.parse("public-domain").kind == "public-domain"
    for text in ("", "yes", "Ada", "Ada, yesterday", ", 2026-11-20"):
        with pytest.raises(ConsentError):
            Consent.parse(text)


def test_assets_of_another_project_are_refused(home: Home) -> None:
    asset = home.queue.take_in(ME, "ad", home.clip)
    face = home.queue.take_in(ME, "other", home.avatar, "avatar")
    with pytest.raises(InputError, match="project"):
        home.queue.submit(home.request(source=asset, avatar=face))


def test_limits_of_one_user(home: Home) -> None:
    queue = Queue(home.settings.model_copy(update={"max_active_jobs": 2}))
    for seed in (1, 2):
        queue.submit(home.request(options={"seed": seed}))
    with pytest.raises(LimitReached, match="2 are allowed"):
        queue.submit(home.request(options={"seed": 3}))
    queue.submit(home.request(options={"seed": 1}))  # the same one is no further job
    queue.submit(home.request(principal=Principal(user="bob", trust="local")))
    queue.close()
    queue = Queue(home.settings.model_copy(update={"max_minutes_per_day": 0.07}))
    with pytest.raises(LimitReached, match="minutes"):
        queue.submit(home.request(options={"seed": 4}))
    queue.close()


def test_jobs_are_seen_by_their_user_only(home: Home) -> None:
    job = home.queue.submit(home.request())
    for ask in (home.queue.get, home.queue.cancel, home.queue.retry, home.queue.delete, home.queue.report):
        with pytest.raises(JobNotFound):
            ask(job.job_id, OTHER)
    assert home.queue.list(OTHER) == ()
    with pytest.raises(JobNotFound):
        home.queue.delete_user("ann", OTHER)
    assert [j.job_id for j in home.queue.list(ME, states=[JobState.QUEUED])] == [job.job_id]
    assert home.queue.list(ME, states=[JobState.FAILED]) == ()


def test_cancel_and_retry(home: Home) -> None:
    job = home.queue.submit(home.request(webhook_url="https://example.org/hook"))
    with pytest.raises(JobConflict, match="queued"):
        home.queue.retry(job.job_id, ME)
    assert home.queue.cancel(job.job_id, ME).status is JobState.CANCELLED
    assert home.queue.cancel(job.job_id, ME).status is JobState.CANCELLED  # twice is no error
    again = home.queue.retry(job.job_id, ME)
    assert (again.status, again.attempt, again.error) == (JobState.QUEUED, 2, None)
    home.queue.cancel(job.job_id, ME)
    same = home.queue.submit(home.request())
    with pytest.raises(JobConflict, match=same.job_id):
        home.queue.retry(job.job_id, ME)
    with home.queue.database.reading() as connection:
        events = connection.execute(sa.select(outbox.c.attempt).where(outbox.c.job_id == job.job_id)).scalars()
        assert sorted(events) == [1, 2]  # one event for each end


def test_only_the_claim_that_holds_a_job_may_end_it(home: Home) -> None:
    job = home.queue.submit(home.request())
    database, flow = home.queue.database, home.queue.flow
    stale = records.claim(database, f"{job.job_id}.1")
    held = records.claim(database, f"{job.job_id}.1")  # another worker took over
    assert stale is not None
    assert held is not None
    assert home.queue.get(job.job_id, ME).recoveries == 1
    assert not records.report_progress(database, stale, JobProgress(percent=50))
    assert records.report_progress(database, held, JobProgress(percent=60))

    def end(claim: str) -> bool:
        with database.transaction() as connection:
            return records.end(connection, database, flow, job.job_id, JobState.FAILED, claim=claim)

    assert not end(stale.claim)
    assert end(held.claim)
    assert not end(held.claim)  # once
    with database.reading() as connection:
        assert len(connection.execute(outbox.select()).all()) == 1
    assert records.claim(database, f"{job.job_id}.1") is None


def test_unknown_ids(home: Home) -> None:
    for ask in (home.queue.get, home.queue.cancel, home.queue.retry, home.queue.delete, home.queue.report):
        with pytest.raises(JobNotFound, match="there is no job"):
            ask("01ARZ3NDEKTSV4RRFFQ69G5FAV", ME)


def test_deleting_leaves_nothing(home: Home) -> None:
    first = home.queue.submit(home.request())
    second = home.queue.submit(home.request(plan="0-1:swap"))
    home.queue.delete(first.job_id, ME)
    assert len(list(home.queue.store.list("users/ann"))) == 2  # the second job still needs them
    home.queue.delete(second.job_id, ME)
    assert list(home.queue.store.list("users/ann")) == []
    home.queue.submit(home.request())
    home.queue.submit(home.request(project="other"))
    home.queue.delete_project("ann", "ad", ME)
    assert {j.project for j in home.queue.list(ME)} == {"other"}
    home.queue.delete_user("ann", ME)
    assert home.queue.list(ME) == ()
    assert list(home.queue.store.list("users")) == []
    with home.queue.database.reading() as connection:
        assert not connection.execute(sa.text(_WORKFLOWS[home.queue.database.is_sqlite])).all()


_WORKFLOWS = {
    True: "SELECT * FROM workflow_status WHERE name LIKE 'ugclab-%'",
    False: "SELECT * FROM dbos.workflow_status WHERE name LIKE 'ugclab-%'",
}


def test_links_are_stable_and_can_be_revoked(home: Home) -> None:
    job = home.queue.submit(home.request())
    assert home.queue.links.output(job.job_id) == ""
    with pytest.raises(JobNotFound):
        home.queue.links.resolve("")
    served = Queue(home.settings.model_copy(update={"public_url": "https://lab.example.org/"}))
    assert served.links.template("users/a/renders/x.mp4") == "https://lab.example.org/r/{token}"
    served.close()


def test_migrations_from_nothing_and_from_the_version_before(home: Home, database_url: str) -> None:
    before = Database(home.settings.queue_url)
    before.prepare(MIGRATIONS[:1])
    assert not any(sa.inspect(before.engine).has_table(table.name) for table in (deletions, seen))
    before.close()
    job = home.queue.submit(home.request())  # upgrades on the way
    assert all(sa.inspect(home.queue.database.engine).has_table(table.name) for table in (deletions, seen))
    home.queue.delete(job.job_id, ME)
    old = Database(home.settings.queue_url)
    with pytest.raises(QueueError, match="newer ugclab"):
        old.prepare(MIGRATIONS[:-1])
    old.close()


def test_the_database_may_be_away(home: Home, tmp_path: Path) -> None:
    away = Settings(data_dir=tmp_path / "x", database_url="postgresql://nobody:hidden@127.0.0.1:9/none")
    with Queue(away) as queue, pytest.raises(QueueError) as raised:
        queue.list(ME)
    assert raised.value.code == "queue_unavailable"
    assert "hidden" not in str(raised.value)


def test_a_request_survives_as_json(home: Home) -> None:
    request = home.request(record_id="r", max_cost_usd=0.05)
    assert type(request).model_validate_json(request.model_dump_json()) == request
    assert request.consent == AGREED
    assert jobs.c.request.type.python_type is str


def test_what_would_cost_more_than_it_may_is_refused(home: Home) -> None:
    dear = home.settings.model_copy(update={"usd_per_hour": 3600.0})
    with Queue(dear) as queue:
        with pytest.raises(InputError, match=r"it would cost about \$") as raised:
            queue.submit(home.request(engine="mesh", max_cost_usd=0.05))
        assert "--max-cost-usd" in raised.value.hint
        assert queue.list(ME) == ()
        assert queue.submit(home.request(engine="mesh", max_cost_usd=1000)).status is JobState.QUEUED
