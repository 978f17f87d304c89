"""Lines that belong to a job and hold no secret, as text and as JSON."""

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from ugclab.jobs import logs

_LOG = logging.getLogger("ugclab.tests.logs")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("ugclab")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def lines(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def test_text_names_the_job_and_the_stage() -> None:
    stream = io.StringIO()
    logs.configure(json=False, stream=stream)
    with logs.about(job="01J"):
        with logs.about(stage="swap 2"):
            _LOG.info("%d frames", 7)
        _LOG.warning("late", extra={"worker": "w1"})
    _LOG.info("idle")
    _LOG.debug("not shown")
    logging.getLogger("boto3").info("not shown either")
    first, second, third = lines(stream)
    assert first.endswith("INFO ugclab.tests.logs job=01J stage=swap 2: 7 frames")
    assert second.endswith("WARNING ugclab.tests.logs job=01J: late worker=w1")
    assert third.endswith("INFO ugclab.tests.logs: idle")
    assert first[10] == "T"
    assert first.split()[0].endswith("Z")


def test_json_is_one_object_a_line_with_its_traceback() -> None:
    stream = io.StringIO()
    logs.configure(json=True, stream=stream)
    with logs.about(job="01J", stage="ingest"):
        try:
            raise ValueError("at https://s3.example/a?X-Amz-Signature=s3cret")
        except ValueError:
            _LOG.exception("two\nlines", extra={"frames": 7, "place": "https://u:s3cret@h/", "message_id": None})
    (line,) = lines(stream)
    found = json.loads(line)
    assert (found["level"], found["job"], found["stage"], found["frames"]) == ("error", "01J", "ingest", 7)
    assert found["message"] == "two\nlines"
    assert "ValueError" in found["error"]
    assert "s3cret" not in line


def test_threads_do_not_share_what_they_are_about() -> None:
    stream = io.StringIO()
    logs.configure(json=True, stream=stream)
    both = threading.Barrier(2)

    def work(job: str) -> None:
        with logs.about(job=job):
            both.wait(5)
            _LOG.info(job)

    threads = [threading.Thread(target=work, args=(job,)) for job in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(found["job"], found["message"]) for found in map(json.loads, lines(stream))} == {("a", "a"), ("b", "b")}


def test_it_is_restored_after_an_error() -> None:
    stream = io.StringIO()
    logs.configure(json=False, stream=stream)
    with pytest.raises(KeyError), logs.about(job="01J"):
        raise KeyError
    _LOG.info("after")
    assert "job=" not in stream.getvalue()


def test_a_second_call_replaces_the_first() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.configure(json=False, stream=first)
    logs.configure(json=False, stream=second)
    _LOG.info("x")
    assert not first.getvalue()
    assert len(lines(second)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "GET https://b.s3.example/k.mp4?X-Amz-Algorithm=A&X-Amz-Credential=s3cret%2F2026&X-Amz-Signature=s3cret 403",
        "/k?X-Amz-Security-Token=s3cret&x=1",
        "https://hooks.example/?sig=s3cret",
        "https://hooks.example?s3cret",
        "postgresql+psycopg://ugclab:s3cret@db.example:5432/jobs",
        "postgresql://ugclab:p@s3cret@db.example/jobs",
        "https://s3cret@files.example/x",
        "Authorization: Bearer s3cretvalue",
        "authorization=Basic s3cret==",
        "{'Authorization': 'AWS4-HMAC-SHA256 Credential=s3cret/2026, SignedHeaders=host, Signature=s3cret'}",
        "(b'authorization', b'AWS4-HMAC-SHA256 s3cret')",
        "sent Bearer s3cretvalue.1",
        "https://app.example/#access=s3cret",
        "whsec_s3cretAAAA+/= is wrong",
        f"key AKIA{'S3CRET' * 2}S3CR",  # in parts, so that no scanner takes it for a real one
        "aws_secret_access_key = s3cret",
        '{"SecretAccessKey": "s3cret", "SessionToken": "s3cret"}',
        "password='s3cret'",
        "api_key=s3cret&x=1",
        "told: hunter2-long and hunter2-long%2F%26",
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_secrets_do_not_appear(text: str, as_json: bool) -> None:
    stream = io.StringIO()
    logs.configure(json=as_json, stream=stream, secrets=[SecretStr("hunter2-long"), "hunter2-long/& other-key", ""])
    _LOG.info("%s", text)
    _LOG.info(text.replace("%", "%%"), extra={"more": text})
    for word in ("s3cret", "hunter2", "S3CRET", "%2F%26"):
        assert word not in stream.getvalue()
    assert logs.REDACTED in stream.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "wrote 7 frames of /data/a b.mp4 in 3.2 s",
        "https://files.example/a/b.mp4 answers 403",
        "the token bucket of secret santa: 5 tokens",
        "basic training",
        "who@example.org agreed, 2026-11-20",
        "design=flat, signal=5",
    ],
)
def test_what_is_none_stays(text: str) -> None:
    assert logs.Redactor(["abc", ""])(text) == text


def test_a_redactor_does_not_show_what_it_knows() -> None:
    assert "hunter2" not in repr(vars(logs.configure(json=True, stream=io.StringIO(), secrets=["hunter2-long"])))


def test_redacting_is_linear() -> None:
    redact = logs.Redactor(["hunter2-long"])
    for piece in ("a://", "a@", "a://a@", "Basic ", "a://?", "?x=", "authorization:", "token=", "'\"", "AKIA"):
        assert redact(piece * 20_000) is not None  # the suite's time limit is the assertion
