"""Workers as processes: what they do, and what happens when they, or their engines, die."""

import os
import signal
import sys

import pytest
import sqlalchemy as sa

from tests.jobs.conftest import ME, Home
from ugclab.errors import JobNotFound
from ugclab.jobs.heartbeat import Heartbeats
from ugclab.jobs.lane import Lane
from ugclab.jobs.records import Claimed
from ugclab.jobs.schema import outbox
from ugclab.jobs.stages import Stages
from ugclab.schema.job import JobState
from ugclab.storage import paths
from ugclab.storage.store import file_sha256

pytestmark = pytest.mark.slow


def test_a_job_runs_to_its_end(home: Home) -> None:
    home.worker()
    heartbeats = Heartbeats(home.queue.database)
    assert [w.loaded for w in heartbeats.list()] == [()]
    job = home.succeeded(home.queue.submit(home.request()).job_id)
    home.until(lambda: [w.loaded for w in heartbeats.list()] == [("ledger",)], "the next job starts warm")
    assert job.progress.percent == 100
    assert job.output is not None
    assert job.output.name == "small clip-swapped.mp4"
    made = home.queue.store.path(job.output.key)
    assert file_sha256(made) == job.output.sha256
    report = home.queue.report(job.job_id, ME)
    assert report.job_id == job.job_id
    assert (report.source.name, report.avatar.name) == ("small clip.mp4", "avatar.png")
    assert [o.swapped_frames for o in report.outcomes] == [15, 0, 15]
    assert {m.step for m in report.measurements} >= {"probe", "setup", "analyse", "swap", "stitch", "upload"}
    keys = {s.key.removeprefix("users/ann/projects/ad/") for s in home.queue.store.list("users/ann/projects/ad")}
    assert {k for k in keys if not k.startswith("source/")} == {
        f"renders/{job.job_id}.mp4",
        f"thumbnails/{job.job_id}.png",
        f"metadata/{job.job_id}/report.json",
        f"metadata/{job.job_id}/consent.json",
    }


def test_a_second_job_of_the_project_reuses_segments(home: Home) -> None:
    home.worker()
    home.succeeded(home.queue.submit(home.request()).job_id)
    second = home.succeeded(home.queue.submit(home.request(options={"min_swapped": 0.4})).job_id)
    report = home.queue.report(second.job_id, ME)
    assert [o.reused for o in report.outcomes] == [True, False, True]
    assert len(home.lines("swap-begin")) == 2
    third = home.succeeded(home.queue.submit(home.request(project="other")).job_id)
    assert not any(o.reused for o in home.queue.report(third.job_id, ME).outcomes)  # nothing crosses projects


def test_a_killed_worker_is_taken_over_where_it_stopped(home: Home) -> None:
    first = home.worker()
    home.pace(1, 1.2)
    job_id = home.queue.submit(home.request()).job_id
    home.until(lambda: len(home.lines("swap-begin")) == 2)
    home.worker()
    home.kill(first)
    home.pace(0)
    job = home.succeeded(job_id)
    assert job.recoveries == 1
    swaps = [line["about"] for line in home.lines("swap-begin")]
    assert len(swaps) == 3, "the first segment, the second, and the second again"
    assert swaps[1] == swaps[2]
    assert len(home.lines("analyse-begin")) == 1


def test_a_restarted_worker_goes_on_at_once(home: Home) -> None:
    home.pace(1, 1.2)
    job_id = home.queue.submit(home.request()).job_id
    first = home.worker()
    home.until(lambda: len(home.lines("swap-begin")) == 2)
    home.kill(first)
    home.pace(0)
    home.worker()
    home.succeeded(job_id)
    assert len(home.lines("swap-begin")) == 3
    assert len({w.executor_id for w in Heartbeats(home.queue.database).list()}) == 1, "it has its id back"


def test_a_frozen_worker_loses_its_job_and_does_no_harm(home: Home) -> None:
    home.pace(1)
    job_id = home.queue.submit(home.request(webhook_url="https://hooks.invalid/x")).job_id
    frozen = home.worker()
    home.until(lambda: len(home.lines("swap-begin")) == 1)
    home.kill(frozen, signal.SIGSTOP)
    home.pace(0)
    home.worker()
    job = home.succeeded(job_id)
    assert job.recoveries == 1
    home.kill(frozen, signal.SIGCONT)
    home.until(lambda: all(w.state == "alive" and w.silent_s < 2 for w in Heartbeats(home.queue.database).list()))
    assert home.queue.get(job_id, ME) == job
    with home.queue.database.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(outbox)).scalar_one() == 1
    other = home.succeeded(home.queue.submit(home.request(options={"seed": 2})).job_id)
    assert other.output is not None


def test_faults_that_may_pass_are_tried_again_others_not(home: Home) -> None:
    home.worker()
    (home.ledger / "fail-swap").write_text("network\nstore_unavailable")
    home.succeeded(home.queue.submit(home.request()).job_id)
    assert len(home.lines("swap-begin")) == 4
    (home.ledger / "fail-analyse").write_text("face_not_found")
    job = home.finished(home.queue.submit(home.request(options={"seed": 1})).job_id)
    assert job.status is JobState.FAILED
    assert job.error is not None
    assert (job.error.code, job.error.stage) == ("face_not_found", "analyse")
    assert len(home.lines("analyse-begin")) == 2
    (home.ledger / "fail-swap").write_text("\n".join(["network"] * 4))
    job = home.finished(home.queue.submit(home.request(options={"seed": 2})).job_id)
    assert job.error is not None
    assert (job.error.code, job.error.segment) == ("network", 0)


def test_a_face_that_is_not_there_is_told_with_its_segment(home: Home) -> None:
    home.worker()
    job = home.finished(home.queue.submit(home.request(engine="tint", plan="0-0.6:keep,0.6-1.8:swap")).job_id)
    assert job.error is not None
    assert (job.error.code, job.error.stage, job.error.segment) == ("face_not_found", "analyse", 1)


def test_a_job_keeps_a_log_of_its_own(home: Home) -> None:
    home.worker()
    (home.ledger / "fail-swap").write_text("network")
    job_id = home.succeeded(home.queue.submit(home.request()).job_id).job_id
    told = home.queue.events(job_id, ME)
    assert [(e.what, e.stage) for e in told] == [
        ("queued", ""),
        ("begun", ""),
        ("done", "analyse"),
        ("again", "swap 0"),
        ("done", "swap 0"),
        ("done", "swap 2"),
        ("done", "stitch"),
        ("succeeded", ""),
    ]
    assert all((e.seconds is not None) == (e.what == "done") for e in told)
    assert told[3].text == "the test wants network"
    assert [(s.segment.action, s.done) for s in home.queue.get(job_id, ME).segments] == [
        ("swap", 1),
        ("keep", 1),
        ("swap", 1),
    ]


def test_a_retry_goes_on_from_the_failed_stage(home: Home) -> None:
    (home.ledger / "fail-swap").write_text("engine")
    home.worker()
    job_id = home.queue.submit(home.request()).job_id
    assert home.finished(job_id).status is JobState.FAILED
    assert home.queue.retry(job_id, ME).attempt == 2
    job = home.succeeded(job_id)
    assert job.error is None
    assert len(home.lines("analyse-begin")) == 1
    report = home.queue.report(job_id, ME)
    assert any(m.step == "analyse" and m.reused for m in report.measurements)


def test_cancelling_a_running_job_stops_it_at_once(home: Home) -> None:
    home.pace(1)
    home.worker()
    job_id = home.queue.submit(home.request()).job_id
    home.until(lambda: home.lines("swap-begin"))
    home.queue.cancel(job_id, ME)
    home.pace(0)
    after = home.succeeded(home.queue.submit(home.request(options={"seed": 9})).job_id)
    assert after.output is not None
    assert home.queue.get(job_id, ME).status is JobState.CANCELLED
    assert not home.queue.store.exists(paths.render("ann", "ad", job_id))


def test_a_run_that_comes_too_late_deletes_no_result(home: Home) -> None:
    home.worker()
    job = home.succeeded(home.queue.submit(home.request()).job_id)
    assert job.output is not None
    request = home.request()
    with Stages(home.queue, Lane(home.settings, "engine", 1), Claimed(job.job_id, 1, "stale", request)) as late:
        late.clear()
        assert home.queue.store.exists(job.output.key)
        home.queue.delete(job.job_id, ME)
        home.queue.store.put_bytes(job.output.key, b"written after the deletion")
        late.clear()
        assert not home.queue.store.exists(job.output.key)


def test_deleting_a_running_job_leaves_nothing(home: Home) -> None:
    home.pace(1)
    home.worker()
    job_id = home.queue.submit(home.request()).job_id
    home.until(lambda: home.lines("swap-begin"))
    home.queue.delete_user("ann", ME)
    with pytest.raises(JobNotFound):
        home.queue.get(job_id, ME)
    home.pace(0)
    other = home.queue.submit(home.request(project="after"))
    home.succeeded(other.job_id)
    assert {s.key.split("/")[3] for s in home.queue.store.list("users/ann")} == {"after"}


def test_sigterm_lets_the_running_job_end(home: Home) -> None:
    worker = home.worker("--grace", "30")
    job_id = home.queue.submit(home.request()).job_id
    home.until(lambda: home.lines("swap-begin"))
    waiting = home.queue.submit(home.request(options={"seed": 5}))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0, home.log()
    assert home.queue.get(job_id, ME).status is JobState.SUCCEEDED
    assert home.queue.get(waiting.job_id, ME).status is JobState.QUEUED
    home.worker()
    home.succeeded(waiting.job_id)


def test_sigterm_without_grace_hands_the_job_over(home: Home) -> None:
    home.pace(1)
    worker = home.worker("--grace", "0")
    job_id = home.queue.submit(home.request()).job_id
    home.until(lambda: home.lines("swap-begin"))
    children = [int(line["pid"]) for line in home.lines("swap-begin")]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0, home.log()
    assert not any(os.path.exists(f"/proc/{pid}") for pid in children)  # noqa: PTH110
    home.pace(0)
    home.worker()
    home.succeeded(job_id)


def test_a_job_that_kills_its_workers_is_poison(home: Home) -> None:
    home.pace(1)
    job_id = home.queue.submit(home.request()).job_id
    for number in range(3):
        worker = home.worker(UGCLAB_POISON_LIMIT="1")
        begun = number + 1
        home.until(
            lambda begun=begun: (
                len(home.lines("swap-begin")) >= begun or home.queue.get(job_id, ME).status is JobState.FAILED
            )
        )
        if home.queue.get(job_id, ME).status is JobState.FAILED:
            break
        home.kill(worker)
    job = home.finished(job_id)
    assert job.error is not None
    assert job.error.code == "poison"
    home.pace(0)
    home.queue.retry(job_id, ME)
    home.succeeded(job_id)


def test_an_upgrade_in_the_middle_of_a_job(home: Home) -> None:
    home.pace(1)
    job_id = home.queue.submit(home.request()).job_id
    waiting = home.queue.submit(home.request(options={"seed": 7})).job_id
    old = home.worker()
    home.until(lambda: len(home.lines("swap-begin")) == 1)
    newer = _start_version(home, "stages-2")
    old.send_signal(signal.SIGTERM)
    home.pace(0)
    assert old.wait(60) == 0
    assert home.queue.get(job_id, ME).status is JobState.SUCCEEDED  # the old one drained
    home.succeeded(waiting)  # the new one took the rest
    assert newer.poll() is None


def test_a_new_version_takes_over_from_a_dead_old_one(home: Home) -> None:
    home.pace(1, 1.2)
    job_id = home.queue.submit(home.request()).job_id
    old = home.worker()
    home.until(lambda: len(home.lines("swap-begin")) == 2)
    _start_version(home, "stages-2")
    home.kill(old)
    home.pace(0)
    home.succeeded(job_id)
    assert len(home.lines("swap-begin")) == 3  # the finished segment is taken up


def _start_version(home: Home, version: str) -> object:
    """A worker of another version of the stages."""
    import subprocess

    code = (
        "from ugclab.settings import Settings\nfrom ugclab.jobs.worker import Worker\n"
        f"Worker(Settings(), version={version!r}).run()"
    )
    with (home.settings.data_dir / "worker.log").open("ab") as out:
        process = subprocess.Popen([sys.executable, "-c", code], env=home.environment, stdout=out, stderr=out)
    home.processes.append(process)
    home.until(lambda: any(w.version == version for w in Heartbeats(home.queue.database).list()))
    return process
