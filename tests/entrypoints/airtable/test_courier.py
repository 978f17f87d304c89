"""Rows become jobs and get their results, once each, whoever is killed, refused or twice at work."""

import threading
from contextlib import ExitStack
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from requests.adapters import HTTPAdapter

from tests.entrypoints.airtable.conftest import CLIP, FACE, GOOD, OWNER, Finish
from tests.entrypoints.airtable.standin import BASE, TOKEN, Standin
from tests.jobs.conftest import postgres
from ugclab.entrypoints.airtable.client import Airtable
from ugclab.entrypoints.airtable.courier import USER, Courier, Moved
from ugclab.entrypoints.airtable.fields import COLUMNS
from ugclab.entrypoints.airtable.lock import alone
from ugclab.errors import (
    ConsentError,
    EngineNotFound,
    InputError,
    JobConflict,
    NetworkError,
    QueueUnavailable,
    UgclabError,
)
from ugclab.jobs.database import Database
from ugclab.jobs.queue import Queue
from ugclab.schema.job import JobState
from ugclab.settings import Settings

__all__ = ["postgres"]

CUT = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
DONE = ["Pending", "Processing", "Complete"]
FAILED = ["Pending", "Processing", "Failed"]
FILES = {
    "Status": "Pending",
    "Source_Video": [{"id": "att0000000000001", "url": "https://files.example/1/a.mp4", "filename": "a.mp4"}],
    "Avatar_Image": [{"id": "att0000000000002", "url": "https://files.example/1/b.jpg", "filename": "b.jpg"}],
    "Consent": "Ada Lovelace, 2026-11-20",
}


def jobs(queue: Queue, record_id: str) -> list[str]:
    return [job.job_id for job in queue.list(OWNER, record_id=record_id)]


def cells(base: Standin, record_id: str) -> dict[str, Any]:
    return base.tables[0].rows[record_id]


def test_a_row_becomes_a_job_and_gets_its_result(
    base: Standin, courier: Courier, queue: Queue, finish: Finish, moved: list[Moved]
) -> None:
    row = base.row(**GOOD, Plan="0-1:swap", Name="first")
    base.row(**(GOOD | {"Status": ""}))
    base.row(Name="somebody still writes this one")
    done = courier.step()
    job = queue.get(done.live[0], OWNER)
    assert (job.record_id, job.plan, job.user, job.project) == (row, "0-1:swap", USER, "airtable")
    assert queue.request(job.job_id, OWNER).consent.kind == "own-face"
    assert cells(base, row)["Status"] == "Processing"
    assert cells(base, row)["Job_ID"] == job.job_id
    assert courier.step() == done
    finish(row)
    assert not courier.step().open
    there = cells(base, row)
    assert there["Output_Video_URL"] == queue.links.output(job.job_id)
    assert there["Output_Video_URL"].startswith("https://videos.example/r/")
    assert (there["Cost_USD"], there["Error"]) == (0.0432, None)
    assert base.states[row] == DONE
    assert [(m.status, bool(m.text)) for m in moved] == [("Processing", False), ("Complete", True)]
    assert len(base.writes) == 2


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED])
def test_a_failed_row_says_why_and_may_be_set_to_pending_again(
    base: Standin, courier: Courier, queue: Queue, finish: Finish, state: JobState
) -> None:
    row = base.row(**GOOD)
    courier.step()
    error = {"message": "segment 1 shows\nno face", "hint": f"see {CLIP} or {TOKEN}"}
    finish(row, state, **(error if state is JobState.FAILED else {}))
    courier.step()
    said = cells(base, row)["Error"]
    assert base.states[row] == FAILED
    assert "\n" not in said
    assert "verysecret" not in said
    assert TOKEN not in said
    expected = "Segment 1 shows no face. See https://files.example/clip.mp4?"
    assert said.startswith(expected if state is JobState.FAILED else "The job was cancelled. Set Status to Pending")
    base.person(row, Status="Pending")
    courier.step()
    assert cells(base, row)["Error"] is None
    finish(row)
    courier.step()
    assert base.states[row] == FAILED + DONE
    assert len(jobs(queue, row)) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"Source_Video_URL": ""}, "There is no footage. Fill Source_Video_URL or Source_Video"),
        ({"Avatar_Image_URL": "  "}, "There is no photo of the face"),
        ({"Source_Video_URL": "clip.mp4"}, "Source_Video_URL cannot be used: an address is expected"),
        ({"Source_Video_URL": "ftp://files.example/a"}, "Source_Video_URL cannot be used"),
        ({"Source_Video_URL": "https://10.0.0.1/a.mp4"}, "10.0.0.1"),
        ({"Consent": ""}, 'Nobody is named who agreed to the use of the face. Write "NAME, 2026-11-20" into Consent'),
        ({"Consent": "yes"}, "Consent must say who agreed"),
        ({"Source_Video_URL": "", "Source_Video": [{"id": "a", "url": CLIP}, {"id": "b", "url": CLIP}]}, "holds 2"),
        ({"Source_Video_URL": "s3://bucket/key.mp4"}, "not"),
    ],
)
def test_a_row_that_cannot_be_done_is_failed_with_what_to_change(
    base: Standin, courier: Courier, queue: Queue, changes: dict[str, Any], said: str
) -> None:
    row = base.row(**(GOOD | changes))
    other = base.row(**GOOD)
    courier.step()
    assert base.states[row] == FAILED
    assert said in cells(base, row)["Error"]
    assert "verysecret" not in cells(base, row)["Error"]
    assert base.states[other] == DONE[:2]
    assert jobs(queue, row) == []


def test_files_are_known_by_their_ids_since_their_addresses_change(
    base: Standin, courier: Courier, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = base.row(**FILES)
    submit = queue.submit
    monkeypatch.setattr(queue, "submit", lambda *a, **k: (submit(*a, **k), (_ for _ in ()).throw(KeyboardInterrupt))[0])
    with pytest.raises(KeyboardInterrupt):
        courier.step()
    assert base.states[row] == ["Pending"]
    (job_id,) = jobs(queue, row)
    monkeypatch.undo()
    cells(base, row)["Source_Video"] = [FILES["Source_Video"][0] | {"url": "https://files.example/2/a.mp4"}]  # type: ignore[index]
    courier.step()
    assert jobs(queue, row) == [job_id]
    assert cells(base, row)["Job_ID"] == job_id
    assert queue.request(job_id, OWNER).input.source == "https://files.example/1/a.mp4"


def test_the_same_row_again_is_the_job_that_is_there_but_for_what_was_changed(
    base: Standin, courier: Courier, queue: Queue, finish: Finish
) -> None:
    row, twin = base.row(**GOOD), base.row(**GOOD)
    courier.step()
    assert jobs(queue, row) != jobs(queue, twin)
    finish(row)
    courier.step()
    base.person(row, Status="Pending")
    courier.step()
    courier.step()
    assert base.states[row] == DONE + DONE
    assert len(jobs(queue, row)) == 1
    base.person(row, Status="Pending", Plan="all")
    courier.step()
    assert len(jobs(queue, row)) == 2


def test_what_an_operator_vouches_for(base: Standin, table: Airtable, queue: Queue) -> None:
    courier = Courier(table, queue, consent="ACME Ltd, 2026-11-01", engine="mesh", project="spring")
    named, silent = base.row(**GOOD), base.row(**(GOOD | {"Consent": ""}))
    courier.step()
    found = {r: queue.request(jobs(queue, r)[0], OWNER) for r in (named, silent)}
    assert found[named].consent.kind == "own-face"
    assert found[silent].consent.agreed_by == "ACME Ltd"
    assert found[silent].project == "spring"


def test_rows_above_a_limit_wait_their_turn(base: Standin, mine: Any, table: Airtable, finish: Finish) -> None:
    with Queue(mine.model_copy(update={"max_active_jobs": 2})) as queue:
        courier = Courier(table, queue)
        rows = [base.row(**GOOD) for _ in range(5)]
        done = courier.step()
        assert (len(done.live), done.waiting) == (2, 3)
        assert "2 are allowed" in done.why
        for row in rows:
            if base.states[row] == ["Pending"]:
                courier.step()
            finish(row)
            courier.step()
        courier.step()
        assert all(base.states[row] == DONE for row in rows)


def mixed(base: Standin, count: int) -> list[str]:
    """Rows of which every fifth can never be done."""
    return [base.row(**(GOOD | ({"Consent": ""} if n % 5 == 3 else {}))) for n in range(count)]


def end(base: Standin, rows: list[str], finish: Finish) -> None:
    """End what is under way: every fourth fails."""
    for n, row in enumerate(rows):
        if cells(base, row)["Status"] == "Processing" and n % 5 != 3:
            finish(row, JobState.FAILED, message="no face") if n % 4 == 1 else finish(row)


def expected(n: int) -> list[str]:
    return FAILED if n % 5 == 3 or n % 4 == 1 else DONE


def test_25_rows_with_failures_in_batches_of_ten(base: Standin, mine: Any, table: Airtable, finish: Finish) -> None:
    base.page = 7
    with Queue(mine.model_copy(update={"max_active_jobs": 12})) as queue:
        courier = Courier(table, queue)
        rows = mixed(base, 25)
        for _ in range(6):
            courier.step()
            end(base, rows, finish)
        assert not courier.step().open
        assert [base.states[row] for row in rows] == [expected(n) for n in range(25)]
        assert all(len(jobs(queue, row)) == (n % 5 != 3) for n, row in enumerate(rows))
        assert max(len(batch) for batch in base.writes) == 10
        assert base.penalties == 0, "the pace was kept"


class Killed(BaseException):
    """kill -9, as far as a test can."""


@pytest.mark.parametrize("arrived", [False, True], ids=["before it was sent", "after it was done"])
def test_killed_at_every_request_each_row_is_moved_once(
    base: Standin, courier: Courier, queue: Queue, finish: Finish, monkeypatch: pytest.MonkeyPatch, arrived: bool
) -> None:
    send, count, last = HTTPAdapter.send, 0, -1

    def dying(self: HTTPAdapter, request: requests.PreparedRequest, *words: Any, **options: Any) -> requests.Response:
        nonlocal count
        count += 1
        if count - 1 == last and not arrived:
            raise Killed
        response = send(self, request, *words, **options)
        if count - 1 == last:
            raise Killed
        return response

    monkeypatch.setattr(HTTPAdapter, "send", dying)

    def run(rows: list[str]) -> bool:
        """Do rows to their end, and say whether somebody was killed."""
        nonlocal count
        count, killed = 0, False
        for _ in range(4):
            try:
                courier.step()
            except Killed:
                killed = True
            if base.states[rows[0]] == DONE[:2]:
                end(base, rows, finish)
        return killed

    most = 0
    while True:
        rows = mixed(base, 4)
        last = most
        killed = run(rows)
        assert [base.states[row] for row in rows] == [expected(n) for n in range(4)], f"killed at request {last}"
        assert all(len(jobs(queue, row)) == (n % 5 != 3) for n, row in enumerate(rows))
        base.tables[0].rows.clear()
        if not killed:
            break
        most += 1
    assert most >= 6, "reads and writes of all passes"


@pytest.mark.parametrize(
    "fault",
    ["lost", "500-done", "503", *(pytest.param(f, marks=pytest.mark.slow) for f in ("drop", "500", "torn", "429"))],
)
def test_every_request_in_doubt_each_row_is_moved_once(
    base: Standin, courier: Courier, queue: Queue, finish: Finish, fault: str
) -> None:
    for at in range(7):  # all requests of three passes
        rows, start = mixed(base, 4), len(base.asked)
        base.fault = lambda number, method, path, at=start + at: fault if number == at else ""  # type: ignore[misc]
        for _ in range(3):
            courier.step()
            if base.states[rows[0]] == DONE[:2]:
                end(base, rows, finish)
        assert [base.states[row] for row in rows] == [expected(n) for n in range(4)], f"at request {at}"
        assert all(len(jobs(queue, row)) == (n % 5 != 3) for n, row in enumerate(rows))
        base.tables[0].rows.clear()


def test_killed_while_submitting_nothing_is_doubled(
    base: Standin, courier: Courier, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = queue.submit
    rows = [base.row(**GOOD) for _ in range(3)]
    for last in range(3):
        calls = iter(range(9))

        def dying(*words: Any, last: int = last, calls: Any = calls, **options: Any) -> Any:
            job = submit(*words, **options)
            if next(calls) == last:
                raise Killed
            return job

        monkeypatch.setattr(queue, "submit", dying)
        with pytest.raises(Killed):
            courier.step()
        assert all(base.states[row] == ["Pending"] for row in rows)
    monkeypatch.setattr(queue, "submit", submit)
    courier.step()
    assert all(base.states[row] == DONE[:2] and len(jobs(queue, row)) == 1 for row in rows)


def test_two_at_once_move_each_row_once(base: Standin, mine: Any, finish: Finish, queue: Queue) -> None:
    rows, faults = mixed(base, 12), []
    start, ended = threading.Barrier(3), threading.Event()

    def watch() -> None:
        try:
            with Queue(mine) as own:
                courier = Courier(Airtable(mine, clock=base.clock, sleep=base.clock.sleep), own)
                start.wait(20)
                for _ in range(3):
                    courier.step()
                ended.wait(20)
                for _ in range(2):
                    courier.step()
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=watch) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(len(base.states[row]) < 2 for row in rows) and any(t.is_alive() for t in threads):
        ended.wait(0.02)
    end(base, rows, finish)
    ended.set()
    for thread in threads:
        thread.join()
    assert not faults
    assert [base.states[row] for row in rows] == [expected(n) for n in range(12)]
    assert all(len(jobs(queue, row)) == (n % 5 != 3) for n, row in enumerate(rows))


def test_a_row_that_goes_or_is_refused_keeps_no_other_back(base: Standin, courier: Courier, finish: Finish) -> None:
    gone, odd, good = (base.row(**GOOD) for _ in range(3))
    courier.step()
    for row in (gone, odd, good):
        finish(row)
    odd_cost = cells(base, odd)
    del base.tables[0].rows[gone]
    courier.step()
    assert base.states[good] == base.states[odd] == DONE
    base.person(odd, Status="Pending", Plan="all")
    base.tables[0].fields = [f for f in base.tables[0].fields if f["name"] != "Cost_USD"]  # after we looked
    del odd_cost["Cost_USD"]
    with pytest.raises(InputError, match="UNKNOWN_FIELD_NAME"):
        courier.step()


def test_a_refused_cell_is_told_and_the_others_are_written(
    base: Standin, courier: Courier, finish: Finish, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = base.row(**GOOD), base.row(**GOOD)
    courier.step()
    finish(bad)
    finish(good)
    link = courier._queue.links.output
    monkeypatch.setattr(
        courier._queue.links, "output", lambda job: 7 if job == cells(base, bad)["Job_ID"] else link(job)
    )
    done = courier.step()
    assert base.states[good] == DONE
    assert base.states[bad] == DONE[:2]
    ((row, reason),) = done.faults
    assert row == bad
    assert "INVALID_VALUE_FOR_COLUMN" in reason


def test_a_table_of_the_five_columns_alone(
    empty: Standin, table: Airtable, queue: Queue, finish: Finish, mine: Any
) -> None:
    empty.table("UGC videos", *(c.model() for c in COLUMNS if c.needed))
    courier = Courier(table, queue, consent="public-domain")
    asked = {"Status": "Pending", "Source_Video_URL": CLIP, "Avatar_Image_URL": FACE}
    rows = [empty.row(**asked), empty.row(**asked), empty.row(**(asked | {"Avatar_Image_URL": ""}))]
    courier.step()
    finish(rows[0])
    finish(rows[1], JobState.FAILED, message="no face")
    assert not courier.step().open
    assert [empty.states[row] for row in rows] == [DONE, FAILED, FAILED]
    assert all(len(jobs(queue, row)) == n for row, n in zip(rows, (1, 1, 0), strict=True))


def test_jobs_that_are_not_known_here_are_left_alone_until_somebody_says_so(base: Standin, courier: Courier) -> None:
    row = base.row(**(GOOD | {"Status": "Processing", "Job_ID": "abc-123-u1"}))
    assert courier.step().lost == (row,)
    assert courier.sync().lost == (row,)
    assert base.states[row] == ["Processing"]
    assert courier.sync(fail_lost=True).lost == ()
    assert base.states[row] == ["Processing", "Failed"]
    assert "no longer known" in cells(base, row)["Error"]


def test_sync_sets_right_what_went_on_without_the_table(
    base: Standin, courier: Courier, queue: Queue, finish: Finish
) -> None:
    retried, renewed, untouched = (base.row(**GOOD) for _ in range(3))
    courier.step()
    finish(retried, JobState.FAILED, message="a passing fault")
    finish(renewed)
    finish(untouched)
    courier.sync()
    queue.retry(jobs(queue, retried)[0], OWNER)
    finish(retried)
    queue.links.renew(jobs(queue, renewed)[0])
    writes = len(base.writes)
    courier.step()
    assert len(base.writes) == writes, "a pass of watch leaves ended rows alone"
    courier.sync()
    assert base.states[retried] == [*FAILED, "Complete"]
    assert cells(base, renewed)["Output_Video_URL"] == queue.links.output(jobs(queue, renewed)[0])
    assert base.states[renewed] == base.states[untouched] == DONE
    writes = len(base.writes)
    courier.sync()
    assert len(base.writes) == writes


def test_one_row_by_its_id(base: Standin, courier: Courier, queue: Queue) -> None:
    row = base.row(**(GOOD | {"Status": "Pending"}))
    job = courier.submit(row)
    assert cells(base, row)["Job_ID"] == job.job_id
    with pytest.raises(JobConflict, match="Processing"):
        courier.submit(row)
    refused = base.row(**(GOOD | {"Consent": ""}))
    with pytest.raises(ConsentError):
        courier.submit(refused)
    assert base.states[refused] == FAILED
    for name in ("recNOTHERE000000", 'rec"),1=1,OR("', "rec\\", "x" * 500):
        with pytest.raises(InputError, match="no row"):
            courier.submit(name)


def test_watch_endures_what_passes_and_nothing_else(
    base: Standin, courier: Courier, finish: Finish, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = base.row(**GOOD)
    base.fault = lambda number, method, path: "503" if number < 12 else ""
    paused: list[float] = []

    def pause(seconds: float) -> bool:
        paused.append(seconds)
        if base.states[row] == DONE[:2] and len(paused) > 3:
            finish(row)
        return False

    passes = list(courier.watch(30, pause, until_idle=True))
    assert base.states[row] == DONE
    assert isinstance(passes[0].trouble, NetworkError)
    assert len(paused) < 70, "the end of a job is seen at once"
    monkeypatch.setattr(courier._queue, "list", lambda *a, **k: (_ for _ in ()).throw(QueueUnavailable("x")))
    base.scopes.clear()
    with pytest.raises(InputError, match="does not allow"):
        next(courier.watch(30, pause))
    stopped = list(courier.watch(30, lambda seconds: True)) if base.scopes else []
    assert stopped == []


def test_without_an_address_for_results_no_row_is_touched(base: Standin, mine: Any, table: Airtable) -> None:
    base.row(**GOOD)
    nowhere = mine.model_copy(update={"public_url": ""})
    with Queue(nowhere) as queue, pytest.raises(InputError, match="no address for results"):
        Courier(table, queue)
    with Queue(mine) as queue, pytest.raises(EngineNotFound):
        Courier(table, queue, engine="mehs")
    assert base.asked == []


@pytest.mark.parametrize("server", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["sqlite", "postgres"])
def test_the_lock_is_let_go_by_whoever_dies(
    queue: Queue, tmp_path: Any, server: bool, request: pytest.FixtureRequest
) -> None:
    database = queue.database
    if server:
        database = Database(Settings(database_url=request.getfixturevalue("postgres").fresh()).queue_url)

    def held(name: str) -> None:
        with alone(database, tmp_path, name, longest_s=0.3):
            pass

    with alone(database, tmp_path, f"{BASE}/one"):
        held(f"{BASE}/two")
        with pytest.raises(UgclabError, match="at work"):
            held(f"{BASE}/one")
    held(f"{BASE}/one")
    with pytest.raises(Killed), alone(database, tmp_path, "x"):
        raise Killed
    held("x")
    if server:
        other = Database(database.url)
        holder = ExitStack()
        holder.enter_context(alone(other, tmp_path, "y"))
        with pytest.raises(UgclabError, match="at work"):
            held("y")
        with database.transaction() as connection:  # its connection is cut, as with a machine that dies
            connection.execute(sa.text(CUT))
        held("y")
        with pytest.raises(QueueUnavailable):
            holder.close()
        other.close()
        database.close()
