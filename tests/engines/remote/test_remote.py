"""`remote` against a second process that does real jobs: what comes back, what it costs, and all that may go wrong."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from pydantic import SecretStr

from tests.engines.remote.conftest import Peer
from tests.engines.remote.footage import odd_footage
from tests.engines.remote.peer import COST_USD, KEY
from tests.face_clips import face_box, number_of, write_clip
from tests.net.loopback import Server, answer, saying
from ugclab.engines import registry
from ugclab.engines.base import FaceEngine, Monitor, SegmentContext, Source
from ugclab.engines.remote import place
from ugclab.engines.remote.engine import Remote
from ugclab.entrypoints import doctor
from ugclab.errors import (
    AvatarError,
    Cancelled,
    ConsentError,
    EngineCrashed,
    EngineError,
    EngineUnavailable,
    FaceNotFound,
    NetworkError,
    StageTimeout,
    UgclabError,
)
from ugclab.media.frames import Frame, read_frames
from ugclab.media.images import read_image
from ugclab.media.probe import probe
from ugclab.pipeline.plan import SwapRequest
from ugclab.pipeline.run import run
from ugclab.pipeline.steps import Progress
from ugclab.schema.job import SwapOptions
from ugclab.schema.media import TimeRange
from ugclab.schema.report import Report
from ugclab.settings import Settings

SLOW = pytest.mark.slow


@pytest.fixture
def ask(clip: Path, avatar: Path, tmp_path: Path) -> SwapRequest:
    return SwapRequest(source=clip, avatar=avatar, out=tmp_path / "out.mp4", plan="0-0.4:swap", engine="remote")


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> Iterator[None]:
    place._glance.cache_clear()
    yield
    place._glance.cache_clear()


def sound(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def placed(peer: Peer) -> list[str]:
    return [call["body"]["jobId"] for call in peer.calls("POST", "/execute")]


class Doing:
    """A run in a thread, that may be cancelled."""

    def __init__(self, request: SwapRequest, settings: Settings) -> None:
        self.stop = threading.Event()
        self.told: list[Progress] = []
        self.report: Report | None = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(request, settings))
        self._thread.start()

    def _run(self, request: SwapRequest, settings: Settings) -> None:
        try:
            self.report = run(request, settings, on_progress=self.told.append, cancelled=self.stop.is_set)
        except BaseException as error:
            self.error = error

    def wait(self) -> "Doing":
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self


def until(true: Callable[[], object], limit_s: float = 30) -> None:
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_two_segments_there_and_back(ask: SwapRequest, peer: Peer, settings: Settings) -> None:
    there = peer.settings(settings, remote_engine="tint", remote_consent="Ann, 2026-11-20")
    request = ask.model_copy(update={"plan": "0-0.4:swap,0.4-1.4:keep,1.4-end:swap"})
    told: list[Progress] = []
    report = run(request, there, on_progress=told.append)
    assert [(o.frames, o.swapped_frames) for o in report.outcomes] == [(10, 10), (25, 0), (15, 15)]
    before, after = probe(request.source), probe(request.out)
    assert (after.width, after.height, after.frames) == (before.width, before.height, 50)
    old, new = (list(read_frames(path, probe(path))) for path in (request.source, request.out))
    assert [f.time for f in new] == [f.time for f in old]
    assert [number_of(f.y) for f in new] == list(range(50))
    assert sound(request.out) == sound(request.source)
    moved = [float(abs(n.u[45:85, 50:90].mean() - o.u[45:85, 50:90].mean())) for o, n in zip(old, new, strict=True)]
    assert min(moved[:10] + moved[35:]) > 4
    assert max(moved[12:33]) < 1
    # what it cost and who did it, of that machine's own account
    swaps = [m for m in report.measurements if m.step == "swap"]
    assert [(m.engine, m.engine_version, m.device) for m in swaps] == [("tint", "1.0", "another machine")] * 2
    assert [m.cost_usd for m in swaps] == [COST_USD] * 2
    assert report.cost_usd == pytest.approx(2 * COST_USD)
    assert report.engine.name == "remote"
    assert "Segment 2 was swapped by tint 1.0, on another machine." in report.to_markdown()
    assert "at the other machine: the light is low" in report.warnings
    shares = [p.done / p.total for p in told if p.step == "swap" and p.segment == 0 and p.total]
    assert shares == sorted(shares)
    assert len(set(shares)) > 5
    orders = [call["body"] for call in peer.calls("POST", "/execute")]
    assert [o["input"]["plan"] for o in orders] == ["all", "all"]
    assert orders[0]["input"]["consent"] == "Ann, 2026-11-20"
    assert all(o["input"]["source_video_url"].startswith("asset:") for o in orders)
    assert len(peer.calls("PUT")) == 3, "the avatar goes once"
    # the same again: nothing is asked for, nothing is paid, and who did it is known
    again = run(request.model_copy(update={"out": ask.out.with_name("again.mp4")}), there)
    assert len(placed(peer)) == 2
    assert (again.output.sha256, again.cost_usd) == (report.output.sha256, 0)
    assert [m.engine for m in again.measurements if m.step == "swap"] == ["tint", "tint"]
    kept = "".join(p.read_text() for p in settings.data_dir.rglob("*.json"))
    assert KEY not in kept + report.model_dump_json()


@pytest.mark.slow
def test_outside_of_what_was_changed_the_source_stays(ask: SwapRequest, peer: Peer, settings: Settings) -> None:
    engine = registry.make(Remote, peer.settings(settings, remote_engine="tint"))
    frames = swapped_by(engine, ask)
    for old, new in frames:
        left, top, size = face_box(number_of(old.y))
        outside = old.y != new.y
        outside[top - 8 : top + size + 8, left - 8 : left + size + 8] = False
        assert not outside.any()
        assert new.swapped


def swapped_by(engine: FaceEngine, ask: SwapRequest) -> list[tuple[Frame, Frame]]:
    """The frames of the first 0.4 s before and after."""
    part = TimeRange(start=Fraction(0), end=Fraction(2, 5))
    source, avatar = Source(ask.source, probe(ask.source)), read_image(ask.avatar)
    work = ask.out.with_name("work")
    (work / "a").mkdir(parents=True)
    (work / "s").mkdir()
    engine.setup(Settings().weights_dir)
    found = engine.analyse(source, (part,), avatar, SwapOptions(), work / "a", Monitor())
    context = SegmentContext(source, part, avatar, found, SwapOptions(), work / "s")
    given = list(read_frames(ask.source, source.info, part))
    made = list(engine.swap(context, read_frames(ask.source, source.info, part)))
    return list(zip(given, made, strict=True))


@pytest.mark.slow
def test_ten_bits_an_odd_size_and_times_that_vary(avatar: Path, peer: Peer, settings: Settings, tmp_path: Path) -> None:
    source = odd_footage(tmp_path / "odd.mkv")
    request = SwapRequest(source=source, avatar=avatar, out=tmp_path / "o.mp4", plan="all", engine="remote")
    report = run(request, peer.settings(settings))
    assert report.outcomes[0].swapped_frames == report.media.frames
    old, new = (list(read_frames(path, probe(path))) for path in (source, request.out))
    assert [round(float(f.time), 2) for f in new] == [round(float(f.time), 2) for f in old]
    assert new[0].colour.bit_depth == old[0].colour.bit_depth == 10
    assert np.mean(new[3].y[: old[3].height, : old[3].width] / np.maximum(old[3].y, 1)) == pytest.approx(0.87, abs=0.02)


def test_a_killed_run_finds_its_order_again(ask: SwapRequest, peer: Peer, settings: Settings) -> None:
    """The order goes on there; the second attempt places none and pays once."""
    there = peer.settings(settings)
    peer.pace(0.15)
    killed = child_running(ask, there, peer)
    killed.kill()
    killed.wait()
    assert len(placed(peer)) == 1
    peer.pace(0)
    report = run(ask, there)
    assert len(placed(peer)) == 1
    assert peer.worked("swap-begin") == 1
    assert report.cost_usd == pytest.approx(COST_USD)
    assert not peer.calls("DELETE")


def child_running(ask: SwapRequest, there: Settings, peer: Peer) -> "subprocess.Popen[bytes]":
    """A process of its own in the middle of the order."""
    code = (
        "import sys; from ugclab.pipeline.run import run; from ugclab.pipeline.plan import SwapRequest\n"
        "from ugclab.settings import Settings\n"
        "run(SwapRequest.model_validate_json(sys.argv[1]), Settings.model_validate_json(sys.argv[2]))"
    )
    settings = json.loads(there.model_dump_json()) | {"remote_key": KEY}
    process = subprocess.Popen([sys.executable, "-c", code, ask.model_dump_json(), json.dumps(settings)])
    until(lambda: peer.worked("swap-begin") or process.poll() is not None)
    assert process.poll() is None
    return process


@pytest.mark.slow
def test_a_machine_that_dies_and_comes_back_is_waited_for(ask: SwapRequest, peer: Peer, settings: Settings) -> None:
    peer.pace(0.1)
    doing = Doing(ask, peer.settings(settings))
    until(lambda: peer.worked("swap-begin"))
    peer.kill()
    peer.pace(0)
    peer.start()
    doing.wait()
    assert doing.error is None
    assert len(placed(peer)) == 1


@pytest.mark.slow
def test_a_machine_that_stays_away_is_a_passing_fault(
    ask: SwapRequest, peer: Peer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = peer.settings(settings)
    monkeypatch.setattr("ugclab.engines.remote.orders.PATIENCE_S", 0.3)
    peer.pace(0.1)
    doing = Doing(ask, there)
    until(lambda: peer.worked("swap-begin"))
    peer.kill()
    doing.wait()
    assert isinstance(doing.error, NetworkError)
    assert doing.error.passing
    with pytest.raises(NetworkError):  # nor is a run refused as if the engine were not set up
        run(ask, there)
    place._glance.cache_clear()
    lack = Remote.lacking(there)
    assert lack is not None
    assert lack.passing
    peer.pace(0)
    peer.start()
    run(ask, there)
    assert len(placed(peer)) == 1


def test_cancelling_here_cancels_there(ask: SwapRequest, peer: Peer, settings: Settings) -> None:
    peer.pace(0.2)
    there = peer.settings(settings)
    doing = Doing(ask, there)
    until(lambda: peer.worked("swap-begin"))
    begun = time.monotonic()
    doing.stop.set()
    doing.wait()
    assert isinstance(doing.error, Cancelled)
    assert time.monotonic() - begun < 3
    assert len(peer.calls("DELETE", "/execute/")) == 1
    peer.pace(0)
    until(lambda: "cancelled" in order_file(peer, 1).read_text())
    assert peer.worked("swap-end") == 0
    run(ask, there)
    assert [name[-2:] for name in placed(peer)] == [".1", ".2"], "a cancelled order is not taken up"


def order_file(peer: Peer, number: int) -> Path:
    return next((peer.folder / "orders").glob(f"*.{number}.json"))


@pytest.mark.slow
def test_one_that_takes_too_long_is_taken_back(ask: SwapRequest, peer: Peer, settings: Settings) -> None:
    peer.pace(0.3)
    with pytest.raises(StageTimeout, match="UGCLAB_REMOTE_TIMEOUT_S"):
        run(ask, peer.settings(settings, remote_timeout_s=1))
    assert peer.calls("DELETE", "/execute/")
    peer.pace(0)


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("fail:face_not_found", FaceNotFound, "at the other machine: the test wants it. nothing to do"),
        pytest.param("fail:avatar", AvatarError, "the test wants it", marks=SLOW),
        pytest.param("fail:network", NetworkError, "the test wants it", marks=SLOW),
        pytest.param("fail:cancelled", EngineCrashed, "and not by us", marks=SLOW),
        pytest.param("fail:of another kind", EngineError, "the test wants it", marks=SLOW),
        pytest.param("consent", ConsentError, "UGCLAB_REMOTE_CONSENT", marks=SLOW),
        ("away", NetworkError, r"cannot for now \(503\): starting"),
        ("frames", EngineError, "the number of frames is 7, 10 was sent"),
        pytest.param("size", EngineError, "the size is 160x120, 320x240 was sent", marks=SLOW),
        pytest.param("rate", EngineError, "the frame of 0.040 s came back at 0.020 s", marks=SLOW),
        pytest.param("text", EngineError, "cannot be read", marks=SLOW),
        ("hash", NetworkError, "is not what the other machine has made"),
        pytest.param("result:http://127.0.0.1:9/x.mp4", EngineError, "result: 127.0.0.1", marks=SLOW),
        pytest.param("result:/v1/nowhere", EngineError, "404", marks=SLOW),
        ("redirect:http://127.0.0.1:9/x", EngineUnavailable, "sends us elsewhere"),
        pytest.param("result:", EngineError, "gives no address", marks=SLOW),
    ],
)
def test_what_goes_wrong_there_is_told_here(
    ask: SwapRequest, peer: Peer, settings: Settings, fault: str, error: type[UgclabError], words: str
) -> None:
    peer.fault(fault)
    with pytest.raises(error, match=words) as caught:
        run(ask, peer.settings(settings))
    assert type(caught.value) is error
    assert KEY not in str(caught.value)
    assert not ask.out.exists()


@pytest.mark.slow
def test_a_damaged_result_is_not_taken(ask: SwapRequest, peer: Peer, settings: Settings) -> None:
    peer.fault("damaged")
    with pytest.raises(EngineError, match=r"cannot be read|number of frames|damaged"):
        run(ask, peer.settings(settings))
    assert not ask.out.exists()


@pytest.mark.slow
def test_a_result_elsewhere_is_asked_for_without_the_key(ask: SwapRequest, peer: Peer, settings: Settings) -> None:
    with Server(saying(answer("404 Not Found"))) as other:
        address = f"http://127.0.0.1:{other.port}"
        peer.fault(f"result:{address}/x.mp4")
        with pytest.raises(EngineError):
            run(ask, peer.settings(settings))
        assert other.requests == [], "a private host that nobody allowed"
        allowed = peer.settings(settings, intake_hosts=(f"127.0.0.1:{other.port}",), remote_revision="2")
        with pytest.raises(EngineError):
            run(ask, allowed)
        assert b"GET /x.mp4" in other.requests[0]
        assert KEY.encode() not in other.requests[0]


def test_a_wrong_key_is_told_before_anything_is_sent(ask: SwapRequest, peer: Peer, settings: Settings) -> None:
    with pytest.raises(EngineUnavailable, match=r"does not accept the key \(401\). set UGCLAB_REMOTE_KEY") as caught:
        run(ask, peer.settings(settings, remote_key=SecretStr("another")))
    assert "another" not in str(caught.value)
    assert not peer.calls("POST")


def test_a_segment_without_a_face_is_never_sent(avatar: Path, peer: Peer, settings: Settings, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "none.mp4", frames=20, has_face=lambda number: False)
    request = SwapRequest(source=source, avatar=avatar, out=tmp_path / "o.mp4", plan="all", engine="remote")
    with pytest.raises(FaceNotFound):
        run(request, peer.settings(settings))
    assert not peer.calls("POST")


@pytest.mark.slow
def test_what_costs_by_the_hour_is_counted_by_the_hour(ask: SwapRequest, peer: Peer, settings: Settings) -> None:
    peer.fault("free")  # it says that it took 36 s, and no price
    report = run(ask, peer.settings(settings, remote_usd_per_hour=2.0))
    assert report.cost_usd == pytest.approx(0.02)


@pytest.mark.slow
def test_another_revision_and_a_fresh_run_are_made_anew(ask: SwapRequest, peer: Peer, settings: Settings) -> None:
    run(ask, peer.settings(settings))
    run(ask.model_copy(update={"out": ask.out.with_name("2.mp4")}), peer.settings(settings, remote_revision="july"))
    run(ask.model_copy(update={"out": ask.out.with_name("3.mp4"), "fresh": True}), peer.settings(settings))
    assert len(set(placed(peer))) == 3


def test_what_it_lacks(peer: Peer, settings: Settings) -> None:
    assert Remote.lacking(settings) is not None
    assert Remote.lacking(peer.settings(settings)) is None
    peer.fault("engines")
    place._glance.cache_clear()
    lack = Remote.lacking(peer.settings(settings))
    assert lack is not None
    assert "cannot run the engine 'ledger'" in lack.reason
    assert "nothing" in lack.hint
    peer.fault("html")
    place._glance.cache_clear()
    assert Remote.lacking(peer.settings(settings)) is not None
    for url in ("gpu.example", "http://user:secret@gpu.example", "http://169.254.169.254", "ftp://x"):
        lack = Remote.lacking(settings.model_copy(update={"remote_url": url}))
        assert lack is not None
        assert "UGCLAB_REMOTE_URL" in lack.reason
        assert "secret" not in lack.reason
    runpod = settings.model_copy(update={"remote_url": "https://api.runpod.ai/v2/x", "remote_kind": "runpod"})
    lack = Remote.lacking(runpod)
    assert lack is not None
    assert "UGCLAB_S3_BUCKET" in lack.hint


def test_the_doctor_tells_how_it_is(peer: Peer, settings: Settings) -> None:
    def told(there: Settings) -> list[tuple[str, str]]:
        place._glance.cache_clear()
        return [(c.state, c.detail) for c in doctor._other_machine(there)]

    assert told(settings) == []
    ((state, detail),) = told(peer.settings(settings))
    assert state == "ok"
    assert "no GPU, an engine is loaded, 1 workers, 0 jobs in line" in detail
    ((state, detail),) = told(peer.settings(settings, remote_key=SecretStr("wrong")))
    assert (state, detail) == ("missing", f"127.0.0.1:{peer.port} does not accept the key (401)")


@pytest.mark.slow
def test_a_machine_that_says_nothing_is_waited_for_two_seconds_and_once(settings: Settings) -> None:
    hung = threading.Event()
    with Server(lambda connection, head: hung.wait(10) and None) as server:
        there = settings.model_copy(update={"remote_url": f"http://127.0.0.1:{server.port}"})
        begun = time.monotonic()
        lacks = [Remote.lacking(there) for _ in range(5)]
        took = time.monotonic() - begun
        hung.set()
        assert took < 4.5
        assert all(lack is not None and lack.passing for lack in lacks)
        assert len(server.requests) <= 2
