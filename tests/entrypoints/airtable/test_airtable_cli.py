"""`ugclab airtable …` as a person types it: what it prints, and with which code it ends."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.entrypoints.airtable.conftest import GOOD
from tests.entrypoints.airtable.standin import BASE, TOKEN, Standin
from tests.entrypoints.test_cli import Run, environment, refused, run, spawn
from tests.net.loopback import Server, answer
from ugclab.entrypoints.airtable.fields import COLUMNS
from ugclab.settings import Settings

__all__ = ["environment", "run", "spawn"]


@pytest.fixture
def known(empty: Standin, mine: Settings) -> dict[str, str]:
    """The variables of an installation that knows the base."""
    empty.limited = False  # its clock stands still, and ours does not
    return {
        "UGCLAB_DATA_DIR": str(mine.data_dir),
        "UGCLAB_AIRTABLE_KEY": TOKEN,
        "UGCLAB_AIRTABLE_BASE": BASE,
        "UGCLAB_AIRTABLE_URL": empty.url,
        "UGCLAB_PUBLIC_URL": "https://videos.example",
        "UGCLAB_AIRTABLE_POLL_S": "0.2",
    }


def test_init_makes_the_table_and_then_nothing(run: Run, empty: Standin, known: dict[str, str]) -> None:
    assert "to make: table UGC videos" in run("airtable", "init", "--dry-run", env=known).stdout
    assert empty.tables == []
    assert run("airtable", "init", env=known).returncode == 0
    (table,) = empty.tables
    assert [f["name"] for f in table.fields] == [column.name for column in COLUMNS]
    again = run("airtable", "init", env=known)
    assert again.stdout == "the table 'UGC videos' has all it needs\n"
    assert sum(method != "GET" for method, _ in empty.asked) == 1


def test_init_adds_what_is_missing_and_changes_nothing(run: Run, empty: Standin, known: dict[str, str]) -> None:
    table = empty.table(
        "UGC videos",
        {"name": "Title", "type": "singleLineText"},
        {"name": "Source_Video_URL", "type": "multipleAttachments"},
        {"name": "Status", "type": "singleSelect", "options": {"choices": [{"name": "Pending"}, {"name": "Todo"}]}},
        {"name": "Error", "type": "checkbox"},
    )
    before = json.dumps(table.fields)
    done = run("airtable", "init", "--json", env=known)
    assert done.returncode == 10
    said = json.loads(done.stdout)
    assert "column Avatar_Image_URL" in said["made"]
    assert "column Name" not in said["made"], "the table has a first column of its own"
    assert said["differs"] == [
        "Status lacks the choices 'Processing', 'Complete', 'Failed'",
        "Error is of the type checkbox, multilineText is expected",
    ]
    assert json.dumps(table.fields[:4]) == before
    refused(run("airtable", "watch", "--until-idle", env=known), 10, "lacks the choices")


def test_init_goes_on_where_it_was_interrupted(run: Run, empty: Standin, known: dict[str, str]) -> None:
    empty.table("UGC videos", *(column.model() for column in COLUMNS[:-3]))
    empty.fault = lambda number, method, path: "500-done" if number == 2 else ""
    assert run("airtable", "init", env=known).returncode == 60
    empty.fault = lambda number, method, path: ""
    assert run("airtable", "init", env=known).returncode == 0
    names = [f["name"] for f in empty.tables[0].fields]
    assert len(set(names)) == len(names) == len(COLUMNS)


def test_scopes_settings_and_addresses_are_asked_for(run: Run, base: Standin, known: dict[str, str]) -> None:
    base.scopes = {"read", "write"}
    done = run("airtable", "init", env=known)
    refused(done, 10, "does not allow")
    assert "schema.bases:read" in done.stderr
    refused(run("airtable", "sync", env=known | {"UGCLAB_AIRTABLE_KEY": ""}), 10, "UGCLAB_AIRTABLE_KEY is not set")
    refused(run("airtable", "sync", env=known | {"UGCLAB_PUBLIC_URL": ""}), 10, "no address for results")
    refused(run("airtable", "submit", "rec1", env=known | {"UGCLAB_AIRTABLE_KEY": "patX.y"}), 10, "token")


def test_submit_and_sync(run: Run, base: Standin, known: dict[str, str]) -> None:
    row, bad = base.row(**GOOD), base.row(**(GOOD | {"Consent": "maybe"}))
    job = json.loads(run("airtable", "submit", row, "--json", env=known).stdout)
    assert (job["record_id"], job["status"], job["user"]) == (row, "queued", "airtable")
    refused(run("airtable", "submit", row, env=known), 72, "Processing")
    assert run("jobs", "cancel", job["job_id"], env=known).returncode == 0
    lines = run("airtable", "sync", "--json", env=known).stdout.splitlines()
    told = [json.loads(line) for line in lines]
    assert {(t["record_id"], t["status"]) for t in told} == {(row, "Failed"), (bad, "Processing"), (bad, "Failed")}
    assert "0 changes" in run("airtable", "sync", env=known).stdout
    assert TOKEN not in "".join(lines)


def test_make_writes_scenarios_with_the_bases_ids(
    run: Run, base: Standin, known: dict[str, str], tmp_path: Path
) -> None:
    done = run("airtable", "make", "--out", "make", "--server", "https://videos.example", env=known)
    assert done.returncode == 0, done.stderr
    blueprint = json.loads((tmp_path / "make/1-submit.json").read_text())
    table = base.tables[0]
    update = blueprint["flow"][1]["mapper"]
    assert (update["base"], update["table"]) == (BASE, table.id)
    status = next(f["id"] for f in table.fields if f["name"] == "Status")
    assert update["record"][status] == "Processing"
    refused(run("airtable", "make", "--out", "make", env=known), 10, "where the jobs go")


@pytest.mark.slow
def test_footage_goes_through_two_watchers_and_a_worker(
    base: Standin, known: dict[str, str], spawn: Run, environment: dict[str, str], clip: Path, avatar: Path
) -> None:
    def files(connection: Any, head: bytes) -> None:
        path = clip if b"clip" in head.split(b"\r\n", 1)[0] else avatar
        connection.sendall(answer(body=path.read_bytes()))

    with Server(files) as server:
        root = f"http://127.0.0.1:{server.port}"
        given = {"Status": "Pending", "Consent": "own-face"}
        given |= {"Source_Video_URL": f"{root}/clip.mp4", "Avatar_Image_URL": f"{root}/face.png"}
        done = base.row(**given, Plan="0-0.6:swap,0.6-end:keep")
        faceless = base.row(**given, Plan="0-0.8:keep,0.8-1.2:swap,1.2-end:keep")
        broken = base.row(**(given | {"Source_Video_URL": f"{root}/face.png"}))
        variables = environment | known | {"UGCLAB_INTAKE_HOSTS": f"127.0.0.1:{server.port}", "UGCLAB_RETRY_S": "0.2"}
        command = [sys.executable, "-m", "ugclab", "airtable", "watch", "--engine", "tint", "--json"]
        watchers = [
            subprocess.Popen(
                command, env=variables, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        worker = subprocess.Popen(
            [sys.executable, "-m", "ugclab", "worker"], env=variables, cwd=ROOT, stderr=subprocess.DEVNULL
        )
        try:
            end = time.monotonic() + 90
            while time.monotonic() < end and any(len(base.states[r]) < 3 for r in (done, faceless, broken)):
                time.sleep(0.1)
        finally:
            for process in (*watchers, worker):
                process.send_signal(signal.SIGTERM)
            said = [watcher.communicate(timeout=30) for watcher in watchers]
            worker.wait(40)
    assert base.states[done] == ["Pending", "Processing", "Complete"], said
    assert base.states[faceless] == base.states[broken] == ["Pending", "Processing", "Failed"], said
    rows = base.tables[0].rows
    assert rows[done]["Output_Video_URL"].startswith("https://videos.example/r/")
    assert "shows the face nowhere" in rows[faceless]["Error"]
    assert [watcher.returncode for watcher in watchers] == [0, 0]
    told = [json.loads(line) for out, _ in said for line in out.splitlines()]
    assert len(told) == 6, "each change was told by one of them"
    assert all(TOKEN not in text for pair in said for text in pair)
