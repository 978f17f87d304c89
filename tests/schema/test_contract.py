"""The worker contract: what callers really send is understood, and what is said back has the contract's words."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from ugclab.schema.contract import Order, OrderInput, OrderPriority, OrderState, OrderStatus
from ugclab.schema.job import JobProgress, JobState, JobView, Priority

ASKED = {"source_video_url": "https://a.example/v.mp4", "avatar_image_url": "https://a.example/me.jpg"}
SHORT = {"video_url": ASKED["source_video_url"], "avatar_url": ASKED["avatar_image_url"]}


@pytest.mark.parametrize(
    "sent",
    [ASKED, SHORT, {"input": ASKED}, {"input": SHORT}, ASKED | {"plan": "", "webhook_url": None}, ASKED | SHORT],
    ids=["long", "short", "wrapped", "both", "empty fields", "twice the same"],
)
def test_one_order_however_it_is_sent(sent: dict[str, Any]) -> None:
    assert OrderInput.model_validate(sent) == OrderInput(**ASKED)
    assert OrderInput.model_validate_json(json.dumps(sent)) == OrderInput(**ASKED)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (SHORT | {"source_video_url": "https://b.example/other.mp4"}, "two different files"),
        ({"video_url": "https://a.example/v.mp4"}, "avatar_image_url"),
        (ASKED | {"source_video_url": "/etc/passwd"}, "an address is expected"),
        (ASKED | {"source_video_url": "file:///etc/passwd"}, "an address is expected"),
        (ASKED | {"colour": "red"}, "colour"),
        ([], "dictionary"),
        ({"input": "x"}, "dictionary"),
        (ASKED | {"max_cost_usd": -1}, "greater than 0"),
    ],
)
def test_what_is_no_order_says_why(sent: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        OrderInput.model_validate(sent)


def test_the_wire_has_camel_case_and_the_inside_our_names() -> None:
    order = Order.model_validate({"jobId": "j-1", "type": "face_transform", "input": SHORT, "callbackUrl": "https://c"})
    assert (order.job_id, order.callback_url) == ("j-1", "https://c")
    assert Order.model_validate_json(order.model_dump_json()) == order
    assert set(json.loads(order.model_dump_json())) == {"version", "jobId", "type", "input", "callbackUrl"}
    with pytest.raises(ValidationError):
        Order.model_validate({"jobId": "../x", "input": ASKED})


def job(state: JobState, **more: Any) -> JobView:
    return JobView(
        job_id="01",
        status=state,
        user="a",
        project="p",
        type="face_transform",
        engine="mesh",
        priority=Priority.MEDIUM,
        progress=JobProgress(percent=40, stage="swap"),
        **more,
    )


def test_each_state_has_its_word() -> None:
    said = {state: OrderStatus.of("mine", job(state)) for state in JobState}
    assert {state: s.status for state, s in said.items()} == {
        JobState.QUEUED: OrderState.QUEUED,
        JobState.RUNNING: OrderState.PROCESSING,
        JobState.SUCCEEDED: OrderState.COMPLETED,
        JobState.FAILED: OrderState.FAILED,
        JobState.CANCELLED: OrderState.FAILED,
    }
    assert {s.job_id for s in said.values()} == {"mine"}
    cancelled = said[JobState.CANCELLED].error
    assert cancelled is not None
    assert cancelled.code == "cancelled"
    assert (said[JobState.RUNNING].progress, said[JobState.RUNNING].stage) == (40, "swap")
    assert (said[JobState.SUCCEEDED].progress, said[JobState.SUCCEEDED].stage) == (100, "")


def test_priorities_are_the_queues() -> None:
    assert [p.number for p in OrderPriority] == [Priority.HIGH, Priority.MEDIUM, Priority.LOW]
