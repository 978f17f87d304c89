"""The queue at the command line: what it prints, and with which code it ends."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.entrypoints.test_cli import Run, environment, refused, run, spawn

__all__ = ["environment", "run", "spawn"]
AGREED = ("--consent", "Ann, 2026-11-20")


@pytest.fixture
def submitted(run: Run, clip: Path, avatar: Path) -> dict[str, Any]:
    done = run("submit", clip, avatar, "--engine", "tint", "--project", "ad", "--record-id", "r1", *AGREED, "--json")
    assert done.returncode == 0, done.stderr
    job: dict[str, Any] = json.loads(done.stdout)
    return job


def test_submit_says_what_a_script_needs(run: Run, submitted: dict[str, Any], clip: Path, avatar: Path) -> None:
    assert submitted["status"] == "queued"
    assert (submitted["project"], submitted["record_id"], submitted["engine"]) == ("ad", "r1", "tint")
    again = run("submit", clip, avatar, "--engine", "tint", "--project", "ad", *AGREED)
    assert again.returncode == 0
    assert submitted["job_id"] in again.stdout
    assert "ugclab jobs watch" in again.stdout


def test_list_and_show(run: Run, submitted: dict[str, Any]) -> None:
    job_id = submitted["job_id"]
    assert [j["job_id"] for j in json.loads(run("jobs", "list", "--json").stdout)] == [job_id]
    assert json.loads(run("jobs", "list", "--status", "failed", "--json").stdout) == []
    assert job_id in run("jobs", "list").stdout
    shown = json.loads(run("jobs", "show", job_id, "--json").stdout)
    assert shown["status"] == "queued"
    assert shown["output_video_url"] == ""
    assert "queued" in run("jobs", "show", job_id).stdout


def test_cancel_retry_delete(run: Run, submitted: dict[str, Any]) -> None:
    job_id = submitted["job_id"]
    refused(run("jobs", "retry", job_id), 72, "queued")
    assert "cancelled" in run("jobs", "cancel", job_id).stdout
    assert run("jobs", "cancel", job_id).returncode == 0
    assert run("jobs", "watch", job_id).returncode == 130
    assert json.loads(run("jobs", "retry", job_id, "--json").stdout)["attempt"] == 2
    refused(run("jobs", "fetch", job_id, "-o", "out.mp4"), 72, "no report")
    assert "deleted" in run("jobs", "delete", job_id).stdout
    refused(run("jobs", "show", job_id), 71, "no job")


def test_purge_takes_all_of_a_user(run: Run, submitted: dict[str, Any], tmp_path: Path) -> None:
    assert run("jobs", "purge", "--user", "local", "--project", "other", "--yes").returncode == 0
    assert len(json.loads(run("jobs", "list", "--json").stdout)) == 1
    assert run("jobs", "purge", "--user", "local").returncode != 0  # nobody said yes
    assert run("jobs", "purge", "--user", "local", "--yes").returncode == 0
    assert json.loads(run("jobs", "list", "--json").stdout) == []
    assert not [p for p in (tmp_path / "data/store").rglob("*") if p.is_file()]
    refused(run("jobs", "purge", "--user", "../x", "--yes"), 10, "name")


def test_the_doctor_knows_of_queue_and_store(run: Run, submitted: dict[str, Any]) -> None:
    checks = {c["name"]: c for c in json.loads(run("doctor", "--json").stdout)}
    assert checks["store"]["state"] == "ok"
    assert "0 workers" in checks["queue"]["detail"]
    assert "ugclab worker" in checks["queue"]["hint"]


@pytest.mark.parametrize("words", [(), ("--consent", "yes"), ("--consent", "Ann, soon")])
def test_without_consent_there_is_no_job(run: Run, clip: Path, avatar: Path, words: tuple[str, ...]) -> None:
    refused(run("submit", clip, avatar, "--engine", "tint", *words), 14, "consent")
    assert json.loads(run("jobs", "list", "--json").stdout) == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--engine", "tnit"), 31, "tint"),
        (("--engine", "tint", "--plan", "0-99:swap"), 12, "beyond"),
        (("--engine", "tint", "--user", "../x"), 10, "name"),
        (("--engine", "tint", "--project", "a/b"), 10, "project"),
        (("--engine", "tint", "--webhook", "http://10.0.0.1/x"), 15, "10.0.0.1"),
        (("--engine", "tint", "--face", "like:nobody.jpg"), 10, "nobody.jpg"),
        (("--engine", "tint", "--max-cost-usd", "-1"), 10, "max_cost_usd"),
    ],
)
def test_bad_requests(run: Run, clip: Path, avatar: Path, words: tuple[str, ...], code: int, message: str) -> None:
    done = run("submit", clip, avatar, *AGREED, *words)
    assert done.returncode in {code, 11 if "nobody" in message else code}
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "source", ["missing.mp4", "https://user:pw@example.org/x.mp4", "s3://b/k.mp4", "ftp://x/y.mp4"]
)
def test_sources_that_are_not_let_in(run: Run, avatar: Path, source: str) -> None:
    done = run("submit", source, avatar, "--engine", "tint", *AGREED)
    assert done.returncode in {11, 15}
    assert "Traceback" not in done.stderr
    assert "pw" not in done.stderr


@pytest.mark.parametrize(
    "words", [("show",), ("cancel",), ("retry",), ("delete",), ("watch",), ("fetch", "-o", "x.mp4")]
)
def test_unknown_jobs(run: Run, words: tuple[str, ...]) -> None:
    command, *rest = words
    refused(run("jobs", command, "01ARZ3NDEKTSV4RRFFQ69G5FAV", *rest), 71, "no job")


@pytest.mark.slow
def test_a_worker_does_it_and_the_result_is_fetched(
    run: Run, spawn: Run, submitted: dict[str, Any], tmp_path: Path
) -> None:
    done = spawn("worker", "--until-idle", env={"UGCLAB_LOG_JSON": "1"})
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line.get("job") for line in lines} >= {submitted["job_id"]}
    job_id = submitted["job_id"]
    assert run("jobs", "watch", job_id).returncode == 0
    fetched = run("jobs", "fetch", job_id, "-o", "out.mp4", "--report-json", "r.json", "--contact-sheet", "c.png")
    assert fetched.returncode == 0, fetched.stderr
    assert {"out.mp4", "r.json", "c.png"} <= {p.name for p in tmp_path.iterdir()}
    assert json.loads((tmp_path / "r.json").read_text())["job_id"] == job_id
