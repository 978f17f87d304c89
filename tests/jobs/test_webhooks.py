"""Signatures that the reference library accepts, and what is made of each way a receiver can answer."""

import base64
import itertools
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from tests.net.loopback import Internet, answer, saying, site
from ugclab.errors import InputError
from ugclab.jobs.webhooks import JITTER, Delivery, Notification, deliver, message, next_wait_s, signing_keys
from ugclab.schema.job import JobError, JobState
from ugclab.settings import Settings

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(9, 41))).decode()
HOST = "hooks.example"
URL = f"http://{HOST}/t0ken?key=s3cret"
NEWS = Notification(record_id="rec1", job_id="01J", status=JobState.SUCCEEDED, output_video_url="https://x.example/r/1")


@given(st.text(), st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1))
def test_the_reference_library_accepts_the_signature(text: str, event_id: str) -> None:
    body = json.dumps({"text": text}).encode()
    headers = message(event_id, int(time.time()), body, SECRET)
    assert Webhook(SECRET).verify(body, headers) == {"text": text}
    for wrong in (body + b" ", b"{}"):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(wrong, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, headers | {"webhook-id": event_id + "x"})
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(body, headers)


def test_while_a_secret_is_replaced_both_are_accepted() -> None:
    body = NEWS.body()
    headers = message("msg_1", int(time.time()), body, f" {SECRET}  {OTHER.rstrip('=')} ")
    for secret in (SECRET, OTHER):
        assert Webhook(secret).verify(body, headers)["job_id"] == "01J"
    assert headers["webhook-signature"].count("v1,") == 2


def test_without_a_secret_nothing_is_signed() -> None:
    assert message("msg_1", 7, b"{}", "") == {"webhook-id": "msg_1", "webhook-timestamp": "7"}


@pytest.mark.parametrize(
    "secret",
    [
        "t0psecretvalue", "whsec_", "whsec_t0psecret", "whsec_t0p!secretvalue!secretvalue!secret",
        SECRET.removeprefix("whsec_"), "whsec_" + base64.b64encode(bytes(65)).decode(), f"{SECRET} t0psecret",
        "whsec_ä" + "a" * 40,
    ],
)  # fmt: skip
def test_a_secret_that_is_none_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(InputError, match="webhook secret") as caught:
        signing_keys(secret)
    assert "t0p" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_news_of_a_job() -> None:
    failed = Notification(
        job_id="01J", status=JobState.FAILED, error=JobError(code="face_not_found", message="no face")
    )
    told = json.loads(failed.body())
    assert (told["type"], told["status"], told["output_video_url"]) == ("job.failed", "failed", "")
    assert told["error"]["code"] == "face_not_found"
    assert set(told) >= {"record_id", "job_id", "status", "output_video_url", "error", "report"}
    assert Notification.model_validate_json(failed.body()) == failed
    with pytest.raises(ValueError, match="has not ended"):
        Notification(job_id="01J", status=JobState.RUNNING)


def test_a_receiver_gets_what_it_can_verify() -> None:
    with site(saying(answer("204 No Content", Content_Length="")), HOST) as internet:
        assert deliver(internet.client(HOST), URL, "msg_1", NEWS.body(), SECRET, timeout_s=5) == Delivery(True, 204)
    head, _, body = internet.requests[0].partition(b"\r\n\r\n")
    lines = [line.decode().split(": ", 1) for line in head.split(b"\r\n")[1:]]
    headers = {name.lower(): value for name, value in lines}
    assert headers["content-type"] == "application/json"
    assert Webhook(SECRET).verify(body, headers)["output_video_url"] == "https://x.example/r/1"


@pytest.mark.parametrize(
    ("status", "after", "expected"),
    [
        ("200 OK", "", Delivery(True, 200)),
        ("299 Odd", "", Delivery(True, 299)),
        ("410 Gone", "", Delivery(False, 410, gone=True)),
        ("429 Too Many Requests", "120", Delivery(False, 429, 120.0)),
        ("503 Service Unavailable", "Thu, 01 Jan 1970 00:10:00 GMT", Delivery(False, 503, 500.0)),
        ("503 Service Unavailable", "Thu, 01 Jan 1970 00:00:00 GMT", Delivery(False, 503, 0.0)),
        ("503 Service Unavailable", "999999999999999", Delivery(False, 503, 21600.0)),
        ("503 Service Unavailable", "-5", Delivery(False, 503)),
        ("503 Service Unavailable", "soon", Delivery(False, 503)),
        ("503 Service Unavailable", "Thu, 99 Foo 9999 00:00:00 GMT", Delivery(False, 503)),
        ("500 Internal Server Error", "", Delivery(False, 500)),
        ("404 Not Found", "", Delivery(False, 404)),
        ("301 Moved Permanently", "", Delivery(False, 301)),
    ],
)
def test_what_an_answer_means(status: str, after: str, expected: Delivery) -> None:
    with site(saying(answer(status, Retry_After=after, Location=f"http://{HOST}/other")), HOST) as internet:
        got = deliver(internet.client(HOST), URL, "msg_1", b"{}", SECRET, timeout_s=5, clock=lambda: 100.0)
    assert (got.ok, got.status, got.retry_after_s, got.gone) == (
        expected.ok,
        expected.status,
        expected.retry_after_s,
        expected.gone,
    )
    assert bool(got.error) != got.ok
    assert len(internet.requests) == 1


def test_a_receiver_that_is_down_is_tried_again_and_one_that_is_refused_is_not() -> None:
    down = deliver(Internet({HOST: ["93.184.216.34"]}).client(HOST), URL, "m", b"{}", SECRET, timeout_s=5)
    assert (down.ok, down.gone, down.status) == (False, False, 0)
    inside = deliver(Internet({HOST: ["10.0.0.1"]}).client(), f"https://{HOST}/t0ken", "m", b"{}", SECRET, timeout_s=5)
    assert (inside.ok, inside.gone) == (False, False)  # its name may point elsewhere tomorrow
    never = deliver(Internet().client(), "https://10.0.0.1/t0ken", "m", b"{}", SECRET, timeout_s=5)
    assert (never.ok, never.gone) == (False, True)
    for got in (down, inside, never):
        assert got.error
        assert not any(secret in repr(got) for secret in ("t0ken", "s3cret", SECRET[6:]))


def test_a_wrong_secret_is_the_operators_to_mend() -> None:
    with pytest.raises(InputError):
        deliver(Internet().client(), URL, "m", b"{}", "nonsense", timeout_s=5)


def test_waits_follow_the_schedule_with_jitter(tmp_path: Path) -> None:
    schedule = Settings(data_dir=tmp_path).webhook_retries_s
    waits = list(
        itertools.takewhile(lambda w: w is not None, (next_wait_s(n, schedule, lambda: 0.0) for n in range(99)))
    )
    assert waits == list(schedule)
    assert waits[:3] == [0, 5, 300]
    assert next_wait_s(1, schedule, lambda: 0.999) == pytest.approx(5 * (1 + JITTER), rel=0.01)
    assert next_wait_s(len(schedule), schedule, lambda: 0.0) is None
    assert next_wait_s(0, (), lambda: 0.0) is None
    assert next_wait_s(0, (-3.0,), lambda: 0.5) == 0
