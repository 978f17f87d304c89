"""Keys: who is let in, what a key may, how often; and that no secret is kept or said."""

import json
import logging

import pytest
from typer.testing import CliRunner

from tests.entrypoints.server.conftest import ASKED, Place
from ugclab.entrypoints.cli import app as command_line
from ugclab.entrypoints.server.callers import Callers
from ugclab.errors import InputError, LimitReached
from ugclab.jobs.keys import PREFIX, Keys, NewKey
from ugclab.jobs.logs import Redactor


def test_nobody_is_let_in_without_a_key(place: Place) -> None:
    refused = place.client().get("/v1/jobs")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert "ugclab keys create" in refused.json()["hint"]
    key = place.key()
    wrong = [
        key[:-1] + ("A" if key[-1] != "A" else "B"),
        key[: len(PREFIX) + 10],
        "x" * 60,
        PREFIX,
        f"{PREFIX}_",
        key + "x",
    ]
    for text in (*wrong, f"{PREFIX}{'0' * 10}_{key.rpartition('_')[2]}", "é" * 30):
        answer = place.client().get("/v1/jobs", headers={"authorization": f"Bearer {text}".encode()})
        assert (answer.status_code, answer.json()["code"]) == (401, "key"), text
    assert place.client().get("/v1/jobs", headers={"authorization": f"Basic {key}"}).status_code == 401
    assert place.client(key).get("/v1/jobs").status_code == 200


def test_a_revoked_and_an_expired_key_are_none(place: Place) -> None:
    keys = Keys(place.queue.database)
    text, view = keys.create(NewKey(user="ann"))
    ann = place.client(text)
    assert ann.get("/v1/me").status_code == 200
    assert keys.list()[0].used_at is not None
    keys.revoke(view.key_id)
    assert ann.get("/v1/me").status_code == 401
    short, _ = keys.create(NewKey(user="ann", days=1e-9))
    assert place.client(short).get("/v1/me").status_code == 401
    with pytest.raises(InputError, match="no key"):
        keys.revoke("nothing")


def test_a_scope_is_what_a_key_may(place: Place) -> None:
    reader, runner, meter = (place.user(scopes=(s,)) for s in ("jobs:read", "execute", "metrics"))
    assert reader.get("/v1/jobs").status_code == 200
    refused = reader.post("/v1/jobs", json=ASKED)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope")
    assert "jobs:write" in refused.json()["hint"]
    assert runner.get("/v1/jobs").status_code == 403
    assert runner.post("/run", json={"input": ASKED}).status_code == 200
    assert meter.get("/metrics").status_code == 200
    assert reader.get("/metrics").status_code == 403
    assert reader.get("/v1/me").json()["scopes"] == ["jobs:read"]


def test_one_key_asks_no_more_often_than_it_may(place: Place) -> None:
    now = [0.0]
    callers = Callers(place.queue, clock=lambda: now[0])
    slow, other = place.key(requests_per_minute=3), place.key()
    for _ in range(3):
        callers.admit(slow, "jobs:read")
    with pytest.raises(LimitReached, match="3 requests a minute"):
        callers.admit(slow, "jobs:read")
    callers.admit(other, "jobs:read")
    now[0] += 20
    callers.admit(slow, "jobs:read")
    with pytest.raises(LimitReached):
        callers.admit(slow, "jobs:read")


def test_only_a_hash_of_a_key_is_kept_and_no_log_names_it(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = place.key()
    secret = key.split("_", 2)[2]
    assert place.client(key).get("/v1/jobs", params={"limit": 1}).status_code == 200
    place.client(key + "x").get("/v1/jobs")
    files = [p for p in place.queue.settings.data_dir.rglob("*") if p.is_file()]
    assert files
    assert not any(secret.encode() in p.read_bytes() for p in files)
    ours = [r for r in caplog.records if r.name.startswith(("ugclab", "uvicorn"))]
    assert not any(secret in r.getMessage() for r in ours)
    assert secret not in Redactor()(f"somebody sent {key} in an address")


@pytest.mark.parametrize(
    "values",
    [{"user": "a/b"}, {"user": "ann", "scopes": ()}, {"user": "ann", "scopes": ("all",)}, {"user": "ann", "days": 0}],
)
def test_a_key_that_makes_no_sense_is_not_made(values: dict[str, object]) -> None:
    with pytest.raises(InputError):
        NewKey.read(**values)


def test_keys_at_the_command_line(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("UGCLAB_DATA_DIR", f"{tmp_path}/data")

    def run(*words: str) -> str:
        return CliRunner().invoke(command_line, list(words), catch_exceptions=False).stdout

    key = run("keys", "create", "ann", "--scope", "metrics", "--label", "prometheus", "--active-jobs", "3").strip()
    assert key.startswith(PREFIX)
    told = run("keys", "list")
    assert "prometheus" in told
    assert key.split("_", 2)[2] not in told
    (listed,) = json.loads(run("keys", "list", "--json"))
    assert (listed["scopes"], listed["max_active_jobs"], listed["trust"]) == (["metrics"], 3, "service")
    assert "is revoked" in run("keys", "revoke", listed["key_id"])
    assert "revoked" in run("keys", "list")
    assert json.loads(run("keys", "create", "bob", "--public", "--json"))["trust"] == "public"
