"""Server-sent events: what is told, resumed and ended; figures and readiness; how a process drains."""

import re
import signal
import subprocess
import threading
import time
from typing import Any

import httpx
import pytest

from tests.entrypoints.server.conftest import ASKED, Opened, Place, served
from ugclab.entrypoints.server import events


def read(text: str) -> list[dict[str, str]]:
    """The events of a stream; comments are left out."""
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if fields:
            found.append(fields)
    return found


@pytest.fixture
def job_id(place: Place) -> str:
    return str(place.user().post("/v1/jobs", json=ASKED).json()["job_id"])


def test_a_stream_tells_the_whole_story_and_ends(place: Place, job_id: str) -> None:
    place.failed(job_id)
    answer = place.user().get(f"/v1/jobs/{job_id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = read(answer.text)
    assert told[0] == {"retry": "1000"}
    assert [e["event"] for e in told[1:]] == ["log", "log", "job", "end"]
    assert '"what":"queued"' in told[1]["data"]
    assert '"what":"failed"' in told[2]["data"]
    assert '"status":"failed"' in told[-1]["data"]


def test_a_stream_goes_on_behind_the_last_event_that_was_seen(place: Place, job_id: str) -> None:
    ann = place.user()
    place.server.door.longest_stream_s = 0
    first = read(ann.get(f"/v1/jobs/{job_id}/events").text)
    assert [e.get("event") for e in first] == [None, "log", "job"]
    last = first[1]["id"]
    place.running(job_id)
    place.failed(job_id)
    second = read(ann.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": last}).text)
    logs = [e for e in second if e.get("event") == "log"]
    assert [re.search(r'"what":"(\w+)"', e["data"])[1] for e in logs] == ["begun", "failed"]  # type: ignore[index]
    assert all(int(e["id"]) > int(last) for e in logs)
    seen = ann.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": logs[-1]["id"]})
    assert (seen.status_code, seen.text) == (204, "")
    assert ann.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": "x"}).status_code == 422


def test_a_stream_follows_a_job_and_beats_meanwhile(place: Place, job_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_LOOK_S", 0.01)
    monkeypatch.setattr(events, "_BEAT_S", 0.02)
    looks = iter(range(10**6))
    real = events.look

    def look(*given: Any) -> Any:
        number = next(looks)
        if number == 8:
            place.running(job_id, 70)
        if number == 12:
            place.failed(job_id)
        return real(*given)

    monkeypatch.setattr(events, "look", look)
    text = place.user().get(f"/v1/jobs/{job_id}/events").text
    assert ": beat" in text
    told = read(text)
    shares = [re.search(r'"percent":([\d.]+)', e["data"])[1] for e in told if e.get("event") == "job"]  # type: ignore[index]
    assert shares == ["0.0", "70.0", "70.0"]
    assert place.server.door.streams == 0


def test_a_deleted_job_ends_its_streams(place: Place, job_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_LOOK_S", 0.01)
    real, looks = events.look, iter(range(100))

    def look(*given: Any) -> Any:
        if next(looks) == 3:
            place.user().delete(f"/v1/jobs/{job_id}")
        return real(*given)

    monkeypatch.setattr(events, "look", look)
    assert read(place.user().get(f"/v1/jobs/{job_id}/events").text)[-1]["event"] == "gone"


def test_streams_are_bounded_and_end_when_the_server_does(opened: Opened) -> None:
    place = opened(max_streams=1)
    ann = place.user()
    job_id = ann.post("/v1/jobs", json=ASKED).json()["job_id"]
    place.server.door.streams = 1
    assert ann.get(f"/v1/jobs/{job_id}/events").status_code == 429
    place.server.door.streams = 0
    place.server.door.drain.begin()
    refused = ann.get(f"/v1/jobs/{job_id}/events")
    assert (refused.status_code, refused.json()["code"]) == (503, "draining")


# figures and readiness


def test_figures_for_prometheus(place: Place, job_id: str) -> None:
    ann = place.user()
    place.worker()
    ann.get(f"/v1/jobs/{job_id}")
    ann.get("/v1/jobs/nothing")
    place.running(job_id)
    text = ann.get("/metrics").text
    assert 'ugclab_jobs{state="running"} 1' in text
    assert 'ugclab_jobs{state="failed"} 0' in text
    assert "ugclab_workers 1" in text
    assert "ugclab_queue_waits 1" in text
    assert 'ugclab_http_requests_total{method="GET",route="/v1/jobs/{job_id}",status="200"} 1' in text
    assert 'route="/v1/jobs/{job_id}",status="422"} 1' in text
    assert job_id not in text
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) \w+ .+|\w+(\{[^{}]*(\{\w+\}[^{}]*)*\})? [-+.e\d]+", line), line


def test_stage_seconds_are_counted_by_stage(place: Place, job_id: str) -> None:
    from ugclab.jobs import events as log

    with place.queue.database.transaction() as connection:
        for stage, seconds in (("swap 0", 2.0), ("swap 2", 3.0), ("stitch", 1.0)):
            log.note(connection, place.queue.database, job_id, "done", stage=stage, seconds=seconds)
    text = place.user().get("/metrics").text
    assert 'ugclab_stages{stage="swap"} 2' in text
    assert 'ugclab_stage_seconds{stage="swap"} 5' in text


def test_ready_is_another_thing_than_alive(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    place = opened(needs_worker=False)
    nobody = place.client()
    assert nobody.get("/health/ready").json() == {"status": "ok", "missing": []}
    place.server.door.readiness._seen = (-10.0, ())
    monkeypatch.setattr(place.queue.store, "exists", _away)
    unready = nobody.get("/health/ready")
    assert (unready.status_code, unready.json()["missing"]) == (503, ["the store does not open"])
    place.server.door.drain.begin()
    assert nobody.get("/health/ready").json()["status"] == "draining"
    assert nobody.get("/health/live").json() == {"status": "ok"}


def _away(key: str) -> bool:
    from ugclab.errors import StoreUnavailable

    raise StoreUnavailable("the store does not answer")


# a process


def test_a_server_that_is_told_to_stop_ends_what_it_began(place: Place, job_id: str) -> None:
    with served(place) as (started, url, log):
        stopped(place, job_id, started, url)
        said = log.read_text()
    assert "Traceback" not in said
    assert "ugc_" not in said


def stopped(place: Place, job_id: str, started: subprocess.Popen[bytes], url: str) -> None:
    headers = {"authorization": f"Bearer {place.key()}"}
    began, text = threading.Event(), []

    def follow() -> None:
        with httpx.stream("GET", f"{url}/v1/jobs/{job_id}/events", headers=headers, timeout=30) as answer:
            for line in answer.iter_lines():
                text.append(line)
                began.set()

    reader = threading.Thread(target=follow)
    reader.start()
    assert began.wait(20)
    started.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 10
    while (ready := httpx.get(f"{url}/health/ready", timeout=5)).status_code == 200:
        assert time.monotonic() < deadline
    assert ready.json()["status"] == "draining"
    assert httpx.get(f"{url}/v1/jobs/{job_id}", headers=headers, timeout=5).status_code == 200, "still served"
    reader.join(20)
    assert not reader.is_alive()
    assert ": come back" in text, "the stream was ended, not broken"
    assert started.wait(20) == 0
