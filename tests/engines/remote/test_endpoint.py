"""`remote` against Runpod's routes: files by address from a store, states, an order that is found again."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.remote.conftest import Peer
from tests.engines.remote.peer import COST_USD, KEY
from tests.engines.remote.test_remote import Doing, until
from ugclab.engines.remote import errand, place
from ugclab.engines.remote.endpoint import _standing
from ugclab.engines.remote.engine import Remote
from ugclab.errors import (
    Cancelled,
    EngineCrashed,
    EngineError,
    EngineUnavailable,
    FaceNotFound,
    StageTimeout,
    UgclabError,
)
from ugclab.pipeline.plan import SwapRequest
from ugclab.pipeline.run import run
from ugclab.settings import Settings
from ugclab.storage.local import LocalStore

SCOPE = "users/local/projects/default/metadata/remote"


class Shared(LocalStore):
    """A local store whose files have addresses, as those of S3 have."""

    host = ""

    def url(self, key: str, expires_s: int, *, download_name: str = "") -> str:
        assert expires_s >= 3600
        return f"{self.host}/bucket/{key}"


@pytest.fixture
def store(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalStore]:
    """Takes the place of S3."""
    made = Shared(peer.folder / "bucket")
    made.host = peer.url
    monkeypatch.setattr(errand, "open_store", lambda settings: made)
    place._glance.cache_clear()
    yield made
    place._glance.cache_clear()


@pytest.fixture
def ask(clip: Path, avatar: Path, tmp_path: Path) -> SwapRequest:
    return SwapRequest(source=clip, avatar=avatar, out=tmp_path / "out.mp4", plan="0-0.4:swap", engine="remote")


@pytest.fixture
def there(peer: Peer, settings: Settings, store: LocalStore) -> Settings:
    """The endpoint."""
    return peer.settings(settings, remote_url=f"{peer.url}/v2/x", remote_kind="runpod", s3_bucket="a-bucket")


def keys(store: LocalStore) -> list[str]:
    return [stored.key for stored in store.list()]


def test_it_goes_there_and_back_and_leaves_nothing(
    ask: SwapRequest, there: Settings, peer: Peer, store: LocalStore
) -> None:
    report = run(ask, there)
    assert report.outcomes[0].swapped_frames == 10
    assert report.cost_usd == pytest.approx(COST_USD)
    (order,) = peer.calls("POST", "/v2/x/run")
    assert order["body"]["policy"] == {"executionTimeout": 40_000, "ttl": 40_000}
    assert len(str(order["body"])) < 5000, "files are never in it"
    assert f"/bucket/{SCOPE}/ugc-" in order["body"]["input"]["source_video_url"]
    assert keys(store) == []
    results = peer.calls("GET", "/v1/results/")
    assert [call["key"] for call in results] == [KEY], "it is the same origin here"


@pytest.mark.slow
def test_a_killed_run_finds_its_order_again(
    ask: SwapRequest, there: Settings, peer: Peer, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.pace(0.1)
    doing = Doing(ask, there)
    until(lambda: peer.worked("swap-begin"))
    monkeypatch.setattr("ugclab.engines.remote.orders.PATIENCE_S", 0.2)
    peer.kill()  # for us it is the same as our own death: the order's name is in the store
    doing.wait()
    assert any(key.endswith(".json") for key in keys(store))
    assert any(key.endswith("source.mp4") for key in keys(store))
    peer.pace(0)
    peer.start()
    report = run(ask, there)
    assert len(peer.calls("POST", "/v2/x/run")) == 1
    assert report.cost_usd == pytest.approx(COST_USD)
    assert keys(store) == []


@pytest.mark.slow
def test_cancelling_here_cancels_there(ask: SwapRequest, there: Settings, peer: Peer, store: LocalStore) -> None:
    peer.pace(0.2)
    doing = Doing(ask, there)
    until(lambda: peer.worked("swap-begin"))
    begun = time.monotonic()
    doing.stop.set()
    doing.wait()
    assert isinstance(doing.error, Cancelled)
    assert time.monotonic() - begun < 3
    assert len(peer.calls("POST", "/v2/x/cancel/")) == 1
    assert keys(store) == []
    peer.pace(0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("state:TIMED_OUT", StageTimeout, "it took too long"),
        ("state:CANCELLED", EngineCrashed, "and not by us"),
        ("state:FAILED", EngineError, "the other machine says FAILED"),
        ("state:SOMETHING", EngineError, "the other machine says SOMETHING"),
        ("fail:face_not_found", FaceNotFound, "at the other machine: the test wants it. nothing to do"),
        ("redirect:http://127.0.0.1:9/x", EngineUnavailable, "sends us elsewhere"),
    ],
)
def test_its_states_are_errors_of_ours(
    ask: SwapRequest, there: Settings, peer: Peer, store: LocalStore, fault: str, error: type[UgclabError], words: str
) -> None:
    peer.fault(fault)
    with pytest.raises(error, match=words) as caught:
        run(ask, there)
    assert type(caught.value) is error
    assert KEY not in str(caught.value)
    assert keys(store) == []


@pytest.mark.slow
def test_it_waits_in_the_queue_for_as_long_as_is_allowed(
    ask: SwapRequest, there: Settings, peer: Peer, store: LocalStore
) -> None:
    peer.fault("stuck")
    with pytest.raises(StageTimeout):
        run(ask, there.model_copy(update={"remote_timeout_s": 0.5}))
    assert peer.calls("POST", "/v2/x/cancel/")
    assert keys(store) == []


def test_what_a_handler_may_return() -> None:
    output = {"video_url": "https://x.example/a.mp4", "sha256": "0" * 64, "size_bytes": 1, "media_type": "video/mp4"}
    output |= {"cost_usd": 0.0, "seconds": 2.0}
    answer = {"id": "a", "status": "COMPLETED", "executionTime": 3000, "output": output}
    plain = _standing("a", answer)
    assert (plain.state, plain.seconds) == ("done", 3.0)
    status = {"job_id": "ours", "status": "completed", "output": output}
    assert _standing("a", answer | {"output": status}).output == plain.output
    failed = {"job_id": "ours", "status": "failed", "error": {"code": "avatar", "message": "no face"}}
    assert _standing("a", answer | {"output": failed}).error.code == "avatar"  # type: ignore[union-attr]
    assert _standing("a", answer | {"output": None}).state == "failed"
    said = {"id": "a", "status": "FAILED", "error": '{"code": "media", "message": "no video", "hint": "send one"}'}
    error = _standing("a", said).error
    assert error is not None
    assert (error.code, error.hint) == ("media", "send one")
    assert _standing("a", {"status": "IN_PROGRESS", "output": {"progress": 40}}).share == 0.4
    assert _standing("a", {"status": "IN_QUEUE", "output": "x"}).state == "open"


def test_an_endpoint_is_known_to_be_there(there: Settings, peer: Peer) -> None:
    assert Remote.lacking(there) is None
    assert [call["path"] for call in peer.calls()] == ["/v2/x/health"]
