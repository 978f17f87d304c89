"""The worker contract and Runpod's routes: the words, the callbacks and who tells them."""

import base64
import json
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.entrypoints.server.conftest import ASKED, Opened, Place
from tests.jobs.receiver import Receiver, receiving
from ugclab.jobs.notify import Notifier
from ugclab.jobs.schema import outbox
from ugclab.jobs.telling import Teller
from ugclab.schema.contract import OrderStatus, WorkerHealth
from ugclab.schema.job import JobState
from ugclab.schema.serverless import RunStatus

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def order(job_id: str = "o-1", **more: Any) -> dict[str, Any]:
    return {"jobId": job_id, "type": "face_transform", "input": ASKED | {"record_id": job_id}} | more


def job_of(place: Place, name: str, user: str = "ann") -> str:
    with place.queue.database.reading() as connection:
        return str(
            connection.exec_driver_sql(
                f"SELECT job_id FROM ugclab_orders WHERE name = '{name}' AND \"user\" = '{user}'"  # noqa: S608
            ).scalar_one()
        )


def deliver(place: Place) -> list[str]:
    """Tell what waits to be told, as a worker would."""
    queue = place.queue
    notifier = Notifier(queue.database, queue.flow, queue.settings, queue.client)
    with queue.database.reading() as connection:
        waiting = connection.execute(outbox.select().where(outbox.c.status == "pending")).all()
    return [notifier.deliver(row.event_id, row.tries) for row in waiting]


def test_an_order_from_acceptance_to_its_output(place: Place) -> None:
    ann = place.user()
    accepted = ann.post("/execute", json=order())
    assert accepted.status_code == 202
    assert (accepted.json()["jobId"], accepted.json()["status"]) == ("o-1", "accepted")
    assert ann.get("/execute/o-1").json()["status"] == "queued"
    job_id = job_of(place, "o-1")
    held = place.running(job_id)
    processing = OrderStatus.model_validate(ann.get("/execute/o-1").json())
    assert (processing.status, processing.progress, processing.stage) == ("processing", 40, "swap")
    place.ended(job_id, JobState.FAILED, claim=held.claim)
    assert ann.get("/execute/o-1").json()["status"] == "failed"
    assert ann.get("/execute/other").status_code == 404


def test_a_completed_order_says_where_its_video_is(place: Place) -> None:
    ann = place.user()
    ann.post("/execute", json=order())
    place.succeeded(job_of(place, "o-1"))
    done = OrderStatus.model_validate(ann.get("/execute/o-1").json())
    assert done.output is not None
    assert (done.status, done.progress, done.output.size_bytes) == ("completed", 100, 1000)
    assert place.client().get(done.output.video_url).status_code == 200


def test_the_same_order_is_there_already_whatever_it_holds(place: Place) -> None:
    ann = place.user()
    ann.post("/execute", json=order())
    ann.post("/execute", json=order(input=ASKED | {"record_id": "another"}))
    assert len(ann.get("/v1/jobs").json()["jobs"]) == 1


def test_two_orders_for_one_job_are_both_told(opened: Opened) -> None:
    with receiving() as receiver:
        place = told_place(opened, receiver)
        ann = place.user()
        same = ASKED | {"record_id": "same"}
        for name in ("o-1", "o-2"):
            assert ann.post("/execute", json=order(name, input=same, callbackUrl=receiver.url)).status_code == 202
        assert job_of(place, "o-1") == job_of(place, "o-2")
        place.succeeded(job_of(place, "o-1"))
        late = ann.post("/execute", json=order("o-3", input=same, callbackUrl=receiver.url))
        assert late.json()["status"] == "completed", "the job has ended when the third one comes"
        assert deliver(place) == ["delivered"] * 3
        told = {json.loads(t.body)["jobId"]: json.loads(t.body) for t in receiver.told}
        assert set(told) == {"o-1", "o-2", "o-3"}
        assert {t["output"]["seconds"] for t in told.values()} == {1.5}


def told_place(opened: Opened, receiver: Receiver, **more: Any) -> Place:
    return opened(intake_hosts=(receiver.host,), webhook_secret=SECRET, callback_every_s=0.0001, **more)


def test_callbacks_tell_progress_and_the_end_signed(opened: Opened) -> None:
    with receiving() as receiver:
        place = told_place(opened, receiver)
        ann = place.user()
        ann.post("/execute", json=order(callbackUrl=receiver.url))
        job_id = job_of(place, "o-1")
        tellers = [Teller(place.queue), Teller(place.queue)]  # of two servers
        for _ in range(2):
            for teller in tellers:
                teller.look()
        held = place.running(job_id)
        for teller in tellers:
            teller.look()
        place.ended(job_id, JobState.FAILED, claim=held.claim)
        for teller in tellers:
            teller.look()
            teller.stop()
        assert deliver(place) == ["delivered"]
        for told in receiver.told:
            Webhook(SECRET).verify(told.body.decode(), told.headers)
        said = [OrderStatus.model_validate_json(t.body) for t in receiver.told]
        assert [(s.status.value, s.progress) for s in said][-1] == ("failed", 40)
        assert sorted(s.status.value for s in said) == ["failed", "processing", "queued"], "each once, by one server"


def test_a_callback_is_durable_for_the_end_and_best_effort_before(opened: Opened) -> None:
    with receiving() as receiver:
        place = told_place(opened, receiver)
        receiver.answer = lambda number: 500 if number < 2 else 204
        place.user().post("/execute", json=order(callbackUrl=receiver.url))
        teller = Teller(place.queue)
        teller.look()
        teller.stop()
        place.succeeded(job_of(place, "o-1"))
        assert deliver(place) == ["pending"], "the end is tried again"
        assert deliver(place) == ["delivered"]
        words = [json.loads(t.body)["status"] for t in receiver.told]
        assert words == ["queued", "completed", "completed"]
        assert receiver.told[1].headers["webhook-id"] == receiver.told[2].headers["webhook-id"]


def test_a_callback_goes_nowhere_it_must_not(place: Place) -> None:
    for url in ("http://127.0.0.1:1/x", "http://169.254.1.1/", "file:///etc/passwd", "http://localhost/"):
        refused = place.user().post("/execute", json=order(callbackUrl=url))
        assert refused.status_code == 413, url
    assert place.user().get("/v1/jobs").json()["jobs"] == []


def test_cancelling_twice_and_after_the_end(place: Place) -> None:
    ann = place.user()
    ann.post("/execute", json=order())
    for _ in range(2):
        answer = ann.delete("/execute/o-1").json()
        assert (answer["status"], answer["error"]["code"]) == ("failed", "cancelled")
    ann.post("/execute", json=order("o-2"))
    place.succeeded(job_of(place, "o-2"))
    assert ann.delete("/execute/o-2").json()["status"] == "completed"


def test_health_tells_of_the_workers(place: Place) -> None:
    nobody = place.client()
    cold = WorkerHealth.model_validate(nobody.get("/health").json())
    assert (cold.status, cold.workers, cold.gpu_available, cold.model_loaded) == ("unready", 0, False, False)
    place.worker(loaded=("mesh",), device="1 GPU")
    place.server.door.readiness._seen = (-10.0, ())
    place.user().post("/execute", json=order())
    warm = WorkerHealth.model_validate(nobody.get("/health").json())
    assert (warm.status, warm.workers, warm.gpu_available, warm.model_loaded) == ("ok", 1, True, True)
    assert warm.waiting == 1
    assert "mesh" in warm.engines


# Runpod


@pytest.mark.parametrize("base", ["", "/v2/my-endpoint"])
def test_runpods_words(place: Place, base: str) -> None:
    ann = place.user()
    ran = ann.post(f"{base}/run", json={"input": ASKED, "policy": {"executionTimeout": 60000}})
    assert ran.json()["status"] == "IN_QUEUE"
    job_id = ran.json()["id"]
    assert ann.get(f"{base}/status/{job_id}").json() == {"id": job_id, "status": "IN_QUEUE"}
    place.running(job_id)
    assert ann.get(f"{base}/stream/{job_id}").json()["stream"] == [{"output": {"progress": 40.0, "stage": "swap"}}]
    place.succeeded(job_id)
    done = ann.post(f"{base}/status/{job_id}").json()
    assert done["status"] == "COMPLETED"
    assert done["delayTime"] >= 0
    assert done["executionTime"] >= 0
    assert place.client().get(done["output"]["videoUrl"]).status_code == 200


def test_runpods_failures_are_a_text_and_data(place: Place) -> None:
    ann = place.user()
    job_id = ann.post("/run", json={"input": ASKED}).json()["id"]
    place.failed(job_id)
    failed = ann.get(f"/status/{job_id}").json()
    assert failed["status"] == "FAILED"
    assert failed["error"] == "no face is seen. take another segment"
    assert failed["output"]["code"] == "face_not_found"
    again = ann.post(f"/retry/{job_id}").json()
    assert again == {"id": job_id, "status": "IN_QUEUE"}
    assert ann.post(f"/cancel/{job_id}").json()["status"] == "CANCELLED"
    assert ann.get(f"/status/{job_id}").json()["status"] == "CANCELLED"


def test_runsync_answers_when_it_ends_or_when_it_has_waited(place: Place) -> None:
    ann = place.user()
    place.server.door.longest_wait_s = 0.0
    waiting = ann.post("/runsync", json={"input": ASKED}).json()
    assert waiting["status"] == "IN_QUEUE"
    place.succeeded(waiting["id"])
    assert ann.post("/runsync", json={"input": ASKED}).json()["status"] == "COMPLETED"


def test_runpods_webhook_is_told_in_runpods_form(opened: Opened) -> None:
    with receiving() as receiver:
        place = told_place(opened, receiver)
        job_id = place.user().post("/run", json={"input": ASKED, "webhook": receiver.url}).json()["id"]
        teller = Teller(place.queue)
        teller.look()
        teller.stop()
        assert receiver.told == [], "nothing but the end"
        place.succeeded(job_id)
        assert deliver(place) == ["delivered"]
        told = RunStatus.model_validate_json(receiver.told[0].body)
        assert (told.id, told.status) == (job_id, "COMPLETED")
        again = place.user().post("/run", json={"input": ASKED, "webhook": receiver.url}).json()
        assert again == {"id": job_id, "status": "COMPLETED"}, "the same input is the same run"
        assert deliver(place) == ["delivered"], "and is told to whoever asks for it again"


def test_runpods_health_and_purge(place: Place) -> None:
    ann, bob = place.user(), place.user("bob")
    place.worker()
    for number in range(3):
        ann.post("/run", json={"input": ASKED | {"record_id": str(number)}})
    kept = bob.post("/run", json={"input": ASKED}).json()["id"]
    told = ann.get("/v2/x/health").json()
    assert (told["jobs"]["inQueue"], told["workers"]["idle"]) == (3, 1)
    assert ann.post("/purge-queue").json() == {"removed": 3, "status": "completed"}
    assert bob.get(f"/status/{kept}").json()["status"] == "IN_QUEUE"
    assert ann.post("/run", json={"input": ASKED, "s3Config": {"accessId": "x"}}).status_code == 422
