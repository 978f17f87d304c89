"""The webhook of a worker that is paid by the second: signed, tried again, and given up in time."""

from pydantic import SecretStr

from tests.jobs.receiver import receiving
from ugclab.entrypoints.serverless.telling import tell
from ugclab.jobs.webhooks import Notification, message
from ugclab.net.client import GuardedClient
from ugclab.schema.job import JobState
from ugclab.settings import Settings

SECRET = "whsec_" + 32 * "Q"
NEWS = Notification(job_id="job1", record_id="rec1", status=JobState.SUCCEEDED, output_video_url="https://x/y.mp4")


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def told(settings: Settings, answers: list[int], within_s: float = 20.0) -> tuple[bool, list[dict[str, str]], Clock]:
    clock = Clock()
    with receiving() as receiver:
        receiver.answer = lambda number: answers[min(number, len(answers) - 1)]
        ours = settings.model_copy(update={"intake_hosts": (receiver.host,), "webhook_secret": SecretStr(SECRET)})
        client = GuardedClient(ours.intake_hosts)
        sent = tell(client, ours, receiver.url, NEWS, within_s=within_s, wait=clock.wait, clock=lambda: clock.now)
    for one in receiver.told:
        stamp = int(one.headers["webhook-timestamp"])
        assert (
            one.headers["webhook-signature"]
            == message("msg_job1_succeeded", stamp, one.body, SECRET)["webhook-signature"]
        )
    return sent.ok, [one.headers for one in receiver.told], clock


def test_it_is_signed_and_told_once(settings: Settings) -> None:
    ok, headers, _ = told(settings, [204])
    assert ok
    assert [h["webhook-id"] for h in headers] == ["msg_job1_succeeded"]


def test_a_receiver_that_comes_back_is_told_with_the_same_id(settings: Settings) -> None:
    ok, headers, clock = told(settings, [503, 204])
    assert ok
    assert [h["webhook-id"] for h in headers] == 2 * ["msg_job1_succeeded"]
    assert 5 <= sum(clock.waits) <= 6


def test_tries_end_in_time(settings: Settings) -> None:
    ok, headers, clock = told(settings, [503])
    assert not ok
    assert len(headers) == 2, "the third would be five minutes later"
    assert sum(clock.waits) < 20


def test_one_who_wants_no_more_is_left_alone(settings: Settings) -> None:
    assert len(told(settings, [410])[1]) == 1


def test_without_time_nothing_is_sent(settings: Settings) -> None:
    ok, headers, _ = told(settings, [204], within_s=0)
    assert not ok
    assert not headers
