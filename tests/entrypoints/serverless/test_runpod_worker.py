"""runpod's real worker loop, in a process of its own, against a control plane on loopback."""

import hashlib
import json
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.entrypoints.serverless.plane import Plane
from tests.entrypoints.serverless.runpods import WEBHOOK_SECRET, Home, home, needs_runpod
from tests.jobs.receiver import receiving
from tests.storage import rclone
from ugclab.jobs.webhooks import message
from ugclab.sample import AVATAR, CLIP
from ugclab.schema.contract import OrderOutput

pytestmark = [pytest.mark.serverless, needs_runpod]

SECRETS = (
    "planted-signature",
    "planted-key-of-the-platform",
    rclone.SECRET_KEY,
    WEBHOOK_SECRET,
    "Traceback",
)
"""None of them is in what a worker says, answers or posts."""


@pytest.fixture
def container(tmp_path: Path, plane: Plane, plugin_dir: Path, s3: str) -> Iterator[Home]:
    with home(tmp_path / "home", plane, plugin_dir, s3, "ledger") as made:
        yield made


@pytest.fixture
def worker(container: Home, plane: Plane) -> subprocess.Popen[bytes]:
    """A worker that asks for jobs."""
    return started(container, plane)


def started(container: Home, plane: Plane, **environment: str) -> subprocess.Popen[bytes]:
    process = container.start(**(plane.environment | environment))
    plane.until(
        lambda: any("/job-take/" in path for path in plane.asked) or process.poll() is not None, "it asks for no job"
    )
    assert process.poll() is None, container.log()
    return process


def told(plane: Plane, container: Home) -> str:
    """All that left the worker, but for the signed addresses that are its answers."""
    bodies = json.loads(json.dumps([posted.body for posted in plane.posted]))
    for body in bodies:
        if isinstance(body.get("output"), dict):
            body["output"].pop("videoUrl", None)
    return json.dumps(bodies) + container.log()


def gone(pid: int) -> bool:
    """Whether a process of that number is no more."""
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_ten_jobs_in_a_row_load_the_engine_once(
    container: Home, worker: subprocess.Popen[bytes], plane: Plane, order: dict[str, Any]
) -> None:
    for number in range(10):
        plane.give(f"job-{number}", order | {"options": {"seed": number}, "record_id": f"rec{number}"})
    answers = [plane.result(f"job-{number}") for number in range(10)]
    assert all(set(answer) == {"output"} for answer in answers)
    outputs = [OrderOutput.model_validate(answer["output"]) for answer in answers]
    assert [output.summary["record_id"] for output in outputs] == [f"rec{number}" for number in range(10)]
    assert len(container.lines("setup")) == 1
    assert len({line["pid"] for line in container.lines("swap-begin")}) == 1
    assert len(container.lines("swap-end")) == 20
    assert all(len(plane.results(f"job-{number}")) == 1 for number in range(10))
    with urllib.request.urlopen(outputs[3].video_url, timeout=10) as answer:  # noqa: S310
        assert hashlib.sha256(answer.read()).hexdigest() == outputs[3].sha256, "signed for the store, and whole"
    assert not any(secret in told(plane, container) for secret in SECRETS)
    left = (container.folder / "data/artefacts/work").rglob("*")
    assert not [path for path in left if path.suffix in (".mp4", ".png")]
    assert any("/ping/" in path for path in plane.asked)
    assert {posted.authorization for posted in plane.posted} == {"planted-key-of-the-platform"}


def test_input_errors_are_answers_and_the_worker_goes_on(
    container: Home, worker: subprocess.Popen[bytes], plane: Plane, order: dict[str, Any]
) -> None:
    plane.give("unknown", {"input": order | {"sorce_url": "x"}})
    plane.give("missing", {"video_url": plane.file("clip.mp4")})
    plane.give("nothing", order | {"source_video_url": plane.file("nothing.mp4")})
    plane.give("good", order)
    unknown = plane.result("unknown")
    assert unknown["error"].startswith("input: the input has no field 'sorce_url'")
    assert (unknown["output"]["code"], unknown["output"]["record_id"]) == ("input", "rec1")
    assert "avatar_image_url" in plane.result("missing")["error"]
    assert plane.result("nothing")["output"]["code"] == "intake"
    assert "error" not in plane.result("good")
    assert not any(secret in told(plane, container) for secret in SECRETS)


def test_a_job_given_out_again_is_answered_from_the_store(
    container: Home, worker: subprocess.Popen[bytes], plane: Plane, order: dict[str, Any]
) -> None:
    plane.give("twice-1", order)
    first = plane.result("twice-1")["output"]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    plane.posted.clear()
    plane.asked.clear()
    started(container, plane, UGCLAB_DATA_DIR=str(container.folder / "another machine"))
    plane.give("twice-1", order)
    again = plane.result("twice-1")["output"]
    assert first["sha256"] == again["sha256"]
    assert first["summary"] == again["summary"]
    assert len(container.lines("analyse-begin")) == 1


def test_cancelled_in_the_middle_nothing_stays_and_the_next_job_is_done(
    container: Home, worker: subprocess.Popen[bytes], plane: Plane, order: dict[str, Any]
) -> None:
    (container.ledger / "slow").write_text("0.1")
    with receiving() as receiver:
        container.end()
        started(container, plane, UGCLAB_INTAKE_HOSTS=f"{plane.host},{receiver.host}")
        plane.give("long", order | {"webhook_url": receiver.url})
        plane.until(lambda: container.lines("swap-begin"), "it does not begin")
        plane.stop("long")
        plane.until(lambda: "cancelled" in container.log() and receiver.told, "it is not cancelled")
        (container.ledger / "slow").unlink()
        plane.give("next", order | {"options": {"seed": 1}})
        assert "error" not in plane.result("next")
        (news,) = receiver.told
    assert json.loads(news.body)["status"] == "cancelled"
    stamp = int(news.headers["webhook-timestamp"])
    signed = message(news.headers["webhook-id"], stamp, news.body, WEBHOOK_SECRET)
    assert news.headers["webhook-signature"] == signed["webhook-signature"]
    assert plane.results("long") == [], "the platform has ended it already"
    assert len({line["pid"] for line in container.lines("swap-begin")}) == 1, "the engine stays"


def test_sigterm_lets_the_job_end_and_leaves_no_process(
    container: Home, worker: subprocess.Popen[bytes], plane: Plane, order: dict[str, Any]
) -> None:
    (container.ledger / "slow").write_text("0.05")
    plane.give("last", order)
    plane.until(lambda: container.lines("swap-begin"), "it does not begin")
    worker.send_signal(signal.SIGTERM)
    assert "error" not in plane.result("last")
    assert worker.wait(20) == 0
    (engine,) = {line["pid"] for line in container.lines("swap-begin")}
    assert gone(engine)


def test_progress_comes_in_order_and_never_after_the_answer(
    container: Home, worker: subprocess.Popen[bytes], plane: Plane, order: dict[str, Any]
) -> None:
    (container.ledger / "slow").write_text("0.12")
    plane.give("slow", order)
    plane.result("slow")
    news = plane.progress("slow")
    assert len(news) >= 2
    assert [one["number"] for one in news] == list(range(1, len(news) + 1))
    assert [one["percent"] for one in news] == sorted(one["percent"] for one in news)
    assert [posted.progress for posted in plane.posted] == [True] * len(news) + [False]


def test_a_worker_asks_to_be_replaced(container: Home, plane: Plane, order: dict[str, Any]) -> None:
    started(container, plane, UGCLAB_SERVERLESS_REFRESH="2")
    plane.give("one", order)
    assert "stopPod" not in plane.result("one")
    plane.give("two", order | {"options": {"seed": 1}})
    answer = plane.result("two")
    assert answer["stopPod"] is True
    assert "refresh_worker" not in answer["output"]


def test_a_worker_whose_engine_died_ends_the_job_and_asks_to_be_replaced(
    container: Home, worker: subprocess.Popen[bytes], plane: Plane, order: dict[str, Any]
) -> None:
    (container.ledger / "crash-swap").touch()
    plane.give("crashed", order)
    answer = plane.result("crashed")
    assert answer["stopPod"] is True
    assert answer["output"]["summary"]["swapped_frames"] == 30


@pytest.mark.parametrize(
    ("environment", "check", "reason"),
    [
        ({"UGCLAB_S3_BUCKET": ""}, "ugclab_store", "there is no store"),
        ({"AWS_SECRET_ACCESS_KEY": "planted-wrong-secret"}, "ugclab_store", "store"),
        ({"UGCLAB_SERVERLESS_ENGINE": "wan-diffusers"}, "ugclab_gpu", "needs a GPU"),
        ({"UGCLAB_SERVERLESS_ENGINE": "ledgr"}, "ugclab_gpu", "no engine is called"),
    ],
)
def test_an_unfit_worker_says_why_and_takes_no_job(
    container: Home, plane: Plane, environment: dict[str, str], check: str, reason: str
) -> None:
    process = container.start(**(plane.environment | environment))
    assert process.wait(30) == 1
    (told,) = [path for path in plane.asked if "/ping/" in path]
    assert f"check={check}" in told
    assert reason.replace(" ", "+") in told
    assert not any("/job-take/" in path for path in plane.asked)
    assert "planted-wrong-secret" not in told + container.log()


def test_a_face_that_is_not_there_is_told_by_the_embedded_engine(
    tmp_path: Path, plane: Plane, plugin_dir: Path, s3: str, order: dict[str, Any]
) -> None:
    portrait = plane.folder / "portrait.jpg"
    portrait.write_bytes(AVATAR.read_bytes())
    (plane.folder / "talking.mp4").write_bytes(CLIP.read_bytes())
    with home(tmp_path / "home", plane, plugin_dir, s3, "mesh") as container:
        started(container, plane)
        faces = {"avatar_image_url": plane.file("portrait.jpg"), "engine": "mesh"}
        plane.give("nobody", order | faces)
        answer = plane.result("nobody")
        assert (answer["output"]["code"], answer["output"]["stage"]) == ("face_not_found", "analyse")
        assert answer["output"]["hint"]
        wanted = {"source_video_url": plane.file("talking.mp4"), "plan": "0-1:swap"}
        plane.give("somebody", order | faces | wanted)
        output = OrderOutput.model_validate(plane.result("somebody")["output"])
        assert output.summary["engine"] == "mesh"
        assert output.summary["swapped_frames"] == 25
        assert output.summary["exact_frames_share"] > 0.9
