"""Every route there is, asked by a stranger with another's ids: nothing is seen, nothing is changed.

Who adds a route says here what a stranger may have of it, or this fails.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute

from tests.entrypoints.server.conftest import ASKED, Place, brought

OWN = {"jobs": [], "next": ""}
NOTHING = (404, None)
"""As good as none."""

# What a stranger is answered who asks with the ids of somebody else's job, order, upload, file and project.
CONSIDERED: dict[tuple[str, str], Any] = {
    ("POST", "/v1/jobs"): (422, "another's file"),
    ("GET", "/v1/jobs"): (200, OWN),
    ("GET", "/v1/jobs/{job_id}"): NOTHING,
    ("DELETE", "/v1/jobs/{job_id}"): NOTHING,
    ("GET", "/v1/jobs/{job_id}/events"): NOTHING,
    ("POST", "/v1/jobs/{job_id}/cancel"): NOTHING,
    ("POST", "/v1/jobs/{job_id}/retry"): NOTHING,
    ("GET", "/v1/jobs/{job_id}/report"): NOTHING,
    ("GET", "/v1/jobs/{job_id}/result"): NOTHING,
    ("POST", "/v1/uploads"): (201, "leave of the stranger's own"),
    ("PUT", "/v1/uploads/{upload_id}"): NOTHING,
    ("POST", "/v1/uploads/{upload_id}/complete"): NOTHING,
    ("POST", "/v1/estimate"): (422, "another's file"),
    ("GET", "/v1/engines"): (200, "the same for all"),
    ("GET", "/v1/me"): (200, "the stranger's own"),
    ("DELETE", "/v1/me"): (204, "the stranger's own"),
    ("DELETE", "/v1/projects/{project}"): (204, "the stranger's own of that name"),
    ("POST", "/execute"): (422, "another's file"),
    ("GET", "/execute/{jobId}"): NOTHING,
    ("DELETE", "/execute/{jobId}"): NOTHING,
    ("GET", "/health"): (200, "for all"),
    ("GET", "/health/live"): (200, "for all"),
    ("GET", "/health/ready"): (503, "for all"),
    ("GET", "/metrics"): (200, "counts alone"),
    ("GET", "/r/{token}"): (404, None),
    ("HEAD", "/r/{token}"): (404, None),
    ("GET", "/openapi.json"): (200, "for all"),
    ("HEAD", "/openapi.json"): (200, "for all"),
    ("GET", "/v2/{endpoint}/health"): (200, "counts of the stranger's own"),
}
_RUNPOD: dict[tuple[str, str], Any] = {
    ("POST", "/run"): (422, "another's file"),
    ("POST", "/runsync"): (422, "another's file"),
    ("GET", "/status/{job_id}"): NOTHING,
    ("POST", "/status/{job_id}"): NOTHING,
    ("GET", "/stream/{job_id}"): NOTHING,
    ("POST", "/cancel/{job_id}"): NOTHING,
    ("POST", "/retry/{job_id}"): NOTHING,
    ("POST", "/purge-queue"): (200, "the stranger's own"),
}
for (verb, path), expected in _RUNPOD.items():
    CONSIDERED[verb, path] = CONSIDERED[verb, f"/v2/{{endpoint}}{path}"] = expected

OPEN = {"/health", "/health/live", "/health/ready", "/openapi.json", "/r/{token}"}
"""Those that ask for no key."""


def all_routes(routes: list[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Method and template of every route, those of included routers too."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            context = route.include_context  # type: ignore[attr-defined]
            yield from all_routes(inner.routes, prefix + context.prefix)
        else:
            for method in sorted(getattr(route, "methods", None) or {"?"}):
                yield method, prefix + str(route.path)  # type: ignore[attr-defined]


@pytest.fixture
def theirs(place: Place, clip: Path) -> dict[str, Any]:
    """What ann has: a job that is done, one in line, an order, leave to upload, files, a project."""
    ann = place.user("ann")
    document = brought(ann, clip)
    done = ann.post("/v1/jobs", json=document).json()["job_id"]
    place.succeeded(done)
    waiting = ann.post("/v1/jobs", json=ASKED | {"record_id": "waits"}).json()["job_id"]
    assert ann.post("/execute", json={"jobId": "o-1", "input": ASKED | {"record_id": "o"}}).status_code == 202
    leave = ann.post("/v1/uploads", json={"size_bytes": 9, "role": "avatar"}).json()["upload_id"]
    return {
        "ann": ann, "done": done, "waiting": waiting, "leave": leave, "order": "o-1",
        "document": document, "source": document["source_video_url"],
    }  # fmt: skip


def ask(client: Any, method: str, template: str, ids: dict[str, Any], job_id: str) -> Any:
    path = template.format(
        job_id=job_id, jobId=ids["order"], upload_id=ids["leave"], project="default", token="x" * 32, endpoint="e1"
    )
    given = {"run": {"input": ids["document"]}, "runsync": {"input": ids["document"]}, "jobs": ids["document"]}
    given |= {"execute": {"jobId": "o-1", "input": ids["document"]}, "estimate": {"source": ids["source"]}}
    given |= {"uploads": {"size_bytes": 9}}
    body = given.get(path.rpartition("/")[2]) if method == "POST" else None
    return client.request(method, path, json=body)


def standing(ids: dict[str, Any]) -> list[Any]:
    ann = ids["ann"]
    return [
        ann.get("/v1/jobs").json(),
        ann.get(f"/v1/jobs/{ids['done']}/result").content,
        ann.get("/execute/o-1").json(),
        ann.post("/v1/estimate", json={"source": ids["source"]}).status_code,
    ]


def test_every_route_is_considered(place: Place) -> None:
    app: FastAPI = place.server.app
    assert set(all_routes(app.routes)) == set(CONSIDERED), "say in CONSIDERED what a stranger may have of it"
    described = {(m.upper(), path) for path, item in app.openapi()["paths"].items() for m in item}
    assert described <= set(CONSIDERED)


@pytest.mark.parametrize("which", ["done", "waiting"])
def test_a_stranger_has_nothing_of_it(place: Place, theirs: dict[str, Any], which: str) -> None:
    stranger = place.user("eve")
    before = standing(theirs)
    words = [theirs["done"], theirs["waiting"], "my clip", "secret", "users/ann"]
    for (method, template), (status, _) in CONSIDERED.items():
        answer = ask(stranger, method, template, theirs, theirs[which])
        assert answer.status_code == status, (method, template, answer.text[:500])
        said = answer.text.replace(theirs[which], "") if answer.status_code == 404 else answer.text
        assert not any(word in said for word in words), (method, template, said[:500])
        if answer.status_code == 200 and template == "/v1/jobs":
            assert answer.json() == OWN
    assert standing(theirs) == before


def test_without_a_key_there_is_nothing_but_what_is_open(place: Place, theirs: dict[str, Any]) -> None:
    nobody = place.client()
    for method, template in CONSIDERED:
        answer = ask(nobody, method, template, theirs, theirs["done"])
        if template in OPEN:
            assert answer.status_code in (200, 404, 503), (method, template)
        else:
            assert answer.status_code == 401, (method, template, answer.text)


def test_the_strangers_own_name_for_an_order_is_another_order(place: Place, theirs: dict[str, Any]) -> None:
    eve = place.user("eve")
    assert eve.post("/execute", json={"jobId": "o-1", "input": ASKED}).json()["status"] == "accepted"
    assert eve.delete("/execute/o-1").json()["error"]["code"] == "cancelled"
    assert theirs["ann"].get("/execute/o-1").json()["status"] == "queued"


def test_a_key_of_the_same_user_sees_them(place: Place, theirs: dict[str, Any]) -> None:
    assert place.user("ann").get(f"/v1/jobs/{theirs['done']}").status_code == 200
