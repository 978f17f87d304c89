"""A job's way through a worker, on the cheap engine and without any platform."""

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.entrypoints.serverless.plane import Plane
from tests.jobs.receiver import Receiver, receiving
from ugclab.entrypoints.serverless.answers import Discretion
from ugclab.entrypoints.serverless.desk import Desk
from ugclab.entrypoints.serverless.performing import Performer
from ugclab.errors import EngineNotFound
from ugclab.schema.contract import OrderOutput
from ugclab.schema.report import Report
from ugclab.settings import Settings
from ugclab.storage.local import LocalStore

pytestmark = pytest.mark.slow


class Bench:
    """A worker of the tests."""

    def __init__(self, settings: Settings, store: Path, ledger: Path) -> None:
        self.settings = settings
        self.store = LocalStore(store)
        self.ledger = ledger
        self.performer = Performer(settings, store=self.store)
        self.told: list[dict[str, Any]] = []
        self.desk = Desk(self.performer, Discretion(settings), lambda job: self._send)

    async def _send(self, document: dict[str, Any]) -> None:
        self.told.append(document)

    def do(self, order: Any, job_id: str = "job1", **more: Any) -> dict[str, Any]:
        return asyncio.run(self.desk.handle({"id": job_id, "input": order, **more}))

    def cancel(self, order: dict[str, Any], when: Callable[[], bool]) -> None:
        """Begin a job and cancel it once something is so. Raises CancelledError, as a handler should."""

        async def scene() -> None:
            task = asyncio.create_task(self.desk.handle({"id": "job1", "input": order}))
            while not when():
                await asyncio.sleep(0.02)
            task.cancel()
            await task

        asyncio.run(scene())

    def lines(self, what: str) -> list[str]:
        path = self.ledger / "ledger.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [line["about"] for line in lines if line["what"] == what]

    def stored(self) -> list[str]:
        return sorted(one.key for one in self.store.list("users"))

    def left(self) -> list[str]:
        """Files that lie in workspaces: sources, results, pictures."""
        return [p.name for p in (self.settings.artefacts_dir / "work").rglob("*") if p.is_file() and p.stat().st_size]


@pytest.fixture
def bench(
    settings: Settings, tmp_path: Path, plane: Plane, ledger: Path, plugin_dir: Path, tint: None, monkeypatch: Any
) -> Iterator[Bench]:
    monkeypatch.setenv("UGCLAB_TEST_LEDGER", str(ledger))
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{plugin_dir}")
    ours = settings.model_copy(
        update={
            "intake_hosts": (plane.host,),
            "retry_s": 0.05,
            "hang_s": 2.0,
            "usd_per_hour": 3.6,
            "serverless_engine": "",
            "public_prefix": "https://files.example/ugc/",
        }
    )
    made = Bench(ours, tmp_path / "store", ledger)
    yield made
    made.performer.close()


def test_an_order_becomes_a_stored_video_and_an_answer(bench: Bench, order: dict[str, Any]) -> None:
    answer = bench.do(order)
    output = OrderOutput.model_validate(answer)
    key = "users/runpod/projects/default/renders/job1.mp4"
    assert output.video_url == f"https://files.example/ugc/{key}"
    assert bench.store.stat(key).sha256 == output.sha256
    assert output.size_bytes == bench.store.stat(key).size_bytes
    assert output.cost_usd == pytest.approx(output.seconds * 0.001, rel=0.01)
    said = output.summary
    assert (said["record_id"], said["engine"], said["frames"], said["swapped_frames"]) == ("rec1", "ledger", 45, 30)
    assert said["steps"][0]["step"] == "ingest"
    folder = "users/runpod/projects/default"
    assert bench.stored() == [
        *(f"{folder}/metadata/job1/{name}.json" for name in ("answer", "consent", "report")),
        key,
        f"{folder}/thumbnails/job1.png",
    ]
    report = Report.model_validate_json(bench.store.read_bytes(f"{folder}/metadata/job1/report.json"))
    assert report.output.sha256 == output.sha256
    assert report.source.name == "clip.mp4"
    assert "planted-signature" not in json.dumps([answer, report.model_dump(mode="json"), bench.told])
    assert bench.left() == [], "the source and the result went with the job"


def test_the_same_job_again_is_answered_from_the_store(bench: Bench, order: dict[str, Any]) -> None:
    first = bench.do(order)
    fresh = order | {"source_video_url": order["source_video_url"].replace("planted", "another")}
    assert bench.do(fresh) == first, "presigned anew, it is the same footage"
    assert len(bench.lines("analyse-begin")) == 1
    other = bench.do(order | {"options": {"seed": 7}})
    assert len(bench.lines("analyse-begin")) == 2, "another order under the same id is another job"
    assert other["summary"]["seconds"] != first["summary"]["seconds"]
    bench.store.delete_prefix("users/runpod/projects/default/renders/job1.mp4")
    bench.do(order | {"options": {"seed": 7}})
    assert bench.store.exists("users/runpod/projects/default/renders/job1.mp4"), "what was deleted is made again"


def test_a_job_that_broke_off_goes_on_where_it_stopped(bench: Bench, order: dict[str, Any]) -> None:
    (bench.ledger / "slow").write_text("0 1.2")
    answer = bench.do(order | {"max_cost_usd": 1})
    assert "error" not in answer
    again = bench.do(order, "job2")
    assert [s["reused"] for s in again["summary"]["steps"] if s["step"] == "swap"] == [True, True]


@pytest.mark.parametrize("stage", ["analyse", "swap"])
def test_a_cancelled_job_leaves_nothing_and_its_engine_lives(bench: Bench, order: dict[str, Any], stage: str) -> None:
    (bench.ledger / "slow").write_text("0.05")
    with receiving() as receiver:
        allowed = (*bench.settings.intake_hosts, receiver.host)
        slower = Bench(bench.settings.model_copy(update={"intake_hosts": allowed}), bench.store.root, bench.ledger)
        try:
            with pytest.raises(asyncio.CancelledError):
                slower.cancel(order | {"webhook_url": receiver.url}, lambda: bool(slower.lines(f"{stage}-begin")))
            pids = slower.performer.pids
            assert not [key for key in slower.stored() if "consent" not in key]
            assert slower.left() == []
            (bench.ledger / "slow").unlink()
            assert "error" not in slower.do(order, "job2")
            assert slower.performer.pids == pids
        finally:
            slower.performer.close()
        (told,) = [json.loads(one.body) for one in receiver.told]
        assert (told["type"], told["error"]["code"]) == ("job.cancelled", "cancelled")


def test_a_job_that_takes_too_long_is_a_timeout_and_its_engine_lives(bench: Bench, order: dict[str, Any]) -> None:
    bench.do(order, "job0")
    pids = bench.performer.pids
    (bench.ledger / "slow").write_text("0.2")
    answer = bench.do(order | {"options": {"seed": 1}}, policy={"executionTimeout": 2000})
    assert (answer["code"], answer["stage"]) == ("timeout", "swap")
    assert "1.9 s" in answer["message"]
    assert bench.performer.pids == pids
    assert "refresh_worker" not in answer


def test_an_engine_that_dies_costs_a_step_and_the_worker_asks_to_be_replaced(
    bench: Bench, order: dict[str, Any]
) -> None:
    (bench.ledger / "crash-swap").touch()
    answer = bench.do(order)
    assert answer["refresh_worker"] is True
    assert "error" not in answer
    assert len(bench.lines("swap-begin")) == 3


def test_an_engine_that_keeps_dying_is_an_error_without_its_last_words(bench: Bench, order: dict[str, Any]) -> None:
    (bench.ledger / "fail-swap").write_text("engine_crashed\n" * 9)
    answer = bench.do(order)
    assert (answer["code"], answer["stage"], answer["segment"]) == ("engine_crashed", "swap", 0)
    assert not [key for key in bench.stored() if "consent" not in key]
    assert len((bench.ledger / "fail-swap").read_text().split()) == 5, "tried as often as the operator allows"


def test_a_worker_asks_to_be_replaced_after_so_many_jobs(bench: Bench, order: dict[str, Any]) -> None:
    bench.desk._settings = bench.settings.model_copy(update={"serverless_refresh": 2})
    assert "refresh_worker" not in bench.do({"wrong": 1}, "a")
    assert bench.do({"wrong": 1}, "b")["refresh_worker"] is True


@pytest.mark.parametrize(
    ("changes", "code", "stage"),
    [
        ({"source_video_url": "page.mp4"}, "media", "ingest"),
        ({"source_video_url": "nothing.mp4"}, "intake", "ingest"),
        ({"avatar_image_url": "page.mp4"}, "avatar", "ingest"),
        ({"plan": "0-99:swap"}, "plan", "ingest"),
        ({"plan": "nonsense"}, "plan", "ingest"),
        ({"engine": "ledgr"}, "engine_not_found", ""),
        ({"consent": ""}, "consent", ""),
        ({"sharpness": 3}, "input", ""),
    ],
)
def test_what_cannot_be_is_an_answer_with_its_code(
    bench: Bench, order: dict[str, Any], plane: Plane, changes: dict[str, Any], code: str, stage: str
) -> None:
    given = {name: plane.file(v) if name.endswith("_url") else v for name, v in changes.items()}
    answer = bench.do(order | given)
    assert (answer["code"], answer["stage"], answer["record_id"]) == (code, stage, "rec1")
    assert answer["error"].startswith(f"{code}: ")
    assert answer["hint"]
    assert not bench.lines("analyse-begin"), "nothing was paid for"


def test_a_receiver_is_told_and_one_that_cannot_be_told_is_a_warning(bench: Bench, order: dict[str, Any]) -> None:
    with receiving() as receiver:
        answer = _with(bench, receiver, order)
        (told,) = [json.loads(one.body) for one in receiver.told]
    assert told["output_video_url"] == answer["videoUrl"]
    assert (told["status"], told["record_id"], told["job_id"]) == ("succeeded", "rec1", "job1")
    assert answer["warnings"] == []
    with receiving() as receiver:
        receiver.answer = lambda number: 500
        answer = _with(bench, receiver, order, serverless_webhook_s=1.0)
    assert answer["warnings"] == ["the webhook was not delivered: the receiver answered 500"]
    with receiving() as receiver:
        answer = _with(bench, receiver, order | {"plan": "0-99:swap"})
        (told,) = [json.loads(one.body) for one in receiver.told]
    assert (told["type"], told["error"]["code"]) == ("job.failed", answer["code"]) == ("job.failed", "plan")


def _with(bench: Bench, receiver: Receiver, order: dict[str, Any], **changes: Any) -> dict[str, Any]:
    allowed = (*bench.settings.intake_hosts, receiver.host)
    settings = bench.settings.model_copy(update={"intake_hosts": allowed, **changes})
    other = Bench(settings, bench.store.root, bench.ledger)
    try:
        return other.do(order | {"webhook_url": receiver.url})
    finally:
        other.performer.close()


def test_an_engine_is_loaded_before_the_first_job_and_then_no_more(bench: Bench, order: dict[str, Any]) -> None:
    loading = bench.settings.model_copy(update={"serverless_engine": "ledger"})
    early = Bench(loading, bench.store.root, bench.ledger)
    try:
        early.performer.warm()
        early.performer.ready()
        assert len(bench.lines("setup")) == 1
        answer = early.do(order)
    finally:
        early.performer.close()
    assert "error" not in answer
    assert "setup" not in [step["step"] for step in answer["summary"]["steps"]]
    assert len(bench.lines("setup")) == 1


def test_what_loading_an_engine_came_to_is_told_to_who_waits_for_it(bench: Bench) -> None:
    wrong = bench.settings.model_copy(update={"serverless_engine": "ledgr"})
    early = Bench(wrong, bench.store.root, bench.ledger)
    try:
        early.performer.warm()
        with pytest.raises(EngineNotFound, match="ledgr"):
            early.performer.ready()
    finally:
        early.performer.close()


def test_progress_is_told_in_order(bench: Bench, order: dict[str, Any]) -> None:
    (bench.ledger / "slow").write_text("0.06")
    bench.do(order)
    assert len(bench.told) >= 1
    assert [post["number"] for post in bench.told] == list(range(1, len(bench.told) + 1))
    assert [post["percent"] for post in bench.told] == sorted(post["percent"] for post in bench.told)
    assert {post["stage"] for post in bench.told} <= {"ingest", "analyse", "swap", "stitch", "publish"}


def test_two_at_once_wait_for_the_one_engine(bench: Bench, order: dict[str, Any]) -> None:
    async def scene() -> list[dict[str, Any]]:
        jobs = [{"id": f"job{n}", "input": order | {"options": {"seed": n}}} for n in range(2)]
        return list(await asyncio.gather(*(bench.desk.handle(job) for job in jobs)))

    answers = asyncio.run(scene())
    assert all("error" not in answer for answer in answers)
    assert len(bench.lines("setup")) == 1


def test_the_log_tells_job_and_stage(bench: Bench, order: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    (bench.ledger / "fail-analyse").write_text("face_not_found")
    with caplog.at_level(logging.INFO, logger="ugclab"):
        bench.do(order)
    assert "failed in analyse: face_not_found" in caplog.text
    assert "planted-signature" not in caplog.text
    assert threading.active_count() < 20
