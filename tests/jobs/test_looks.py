"""The interactive lane: what a page is shown while jobs run, whom it is refused, and that nothing of it stays behind.

Nothing here is the database's: SQLite will do.
"""

import io
import time
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image

from tests.clips import make_clip, read_number
from tests.jobs.conftest import ME, PLAN, Home
from ugclab.errors import Cancelled, InputError, JobConflict, JobNotFound, PlanError, QueueUnavailable
from ugclab.jobs.schema import seen as seen_table
from ugclab.sample import CLIP
from ugclab.schema.ids import new_ulid
from ugclab.schema.job import Principal
from ugclab.schema.look import (
    FacesLook,
    FacesSeen,
    FrameLook,
    FrameSeen,
    Look,
    ProofLook,
    ProofSeen,
    StripLook,
    StripSeen,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def database_url() -> str:
    return ""


def frame_look(home: Home, **changes: Any) -> FrameLook:
    given = {
        "user": "ann",
        "project": "ad",
        "source": home.queue.take_in(ME, "ad", home.clip),
        "avatar": home.queue.take_in(ME, "ad", home.avatar, "avatar"),
        "at": Fraction(1, 2),
        "engine": "ledger",
    }
    return FrameLook(**(given | changes))


def strip_look(home: Home, **changes: Any) -> StripLook:
    return StripLook(**({"user": "ann", "project": "ad", "source": home.queue.take_in(ME, "ad", home.clip)} | changes))


def shown(home: Home, look: Look, principal: Principal = ME) -> Any:
    look_id = home.queue.look(principal, look)
    return home.until(lambda: home.queue.looks.answer(look_id, principal), "the look is not answered", 30)


def picture(home: Home, key: str) -> Any:
    return np.asarray(Image.open(io.BytesIO(home.queue.store.read_bytes(key))))


def test_a_frame_is_seen_while_a_long_job_runs(home: Home) -> None:
    home.pace(2)
    home.worker()
    home.queue.submit(home.request())
    home.until(lambda: home.lines("swap-begin"))
    look = frame_look(home)
    seen = shown(home, look)
    assert isinstance(seen, FrameSeen)
    assert seen.swapped
    assert seen.time == Fraction(12, 25)
    before, after = picture(home, seen.before), picture(home, seen.after)
    assert before.shape == after.shape == (seen.height, seen.width, 3) == (120, 160, 3)
    assert 0.75 < after.mean() / before.mean() < 0.9, "darkened"
    assert len(home.lines("swap-end")) == 1, "the one frame; the first segment of the job is not done yet"
    late = home.queue.look(ME, look.model_copy(update={"at": Fraction(99)}))
    with pytest.raises(InputError, match="no frame at 99"):
        home.until(lambda: home.queue.looks.answer(late, ME), limit_s=20)


def test_the_same_look_again_is_answered_at_once_and_by_nobody(home: Home) -> None:
    home.worker()
    look = frame_look(home)
    seen = shown(home, look)
    begun = len(home.lines("analyse-begin"))
    assert home.queue.looks.answer(home.queue.look(ME, look), ME) == seen
    assert len(home.lines("analyse-begin")) == begun
    other = shown(home, look.model_copy(update={"options": look.options.model_copy(update={"seed": 7})}))
    assert other.before != seen.before


def test_what_is_anothers_is_refused(home: Home) -> None:
    home.worker()
    look = frame_look(home)
    look_id = home.queue.look(ME, look)
    home.until(lambda: home.queue.looks.answer(look_id, ME))
    again = home.queue.look(ME, look)
    for known in (look_id, again):
        for stranger in ("bob", "ann.x", "an"):
            with pytest.raises(JobNotFound):
                home.queue.looks.answer(known, Principal(user=stranger))
    assert home.queue.looks.answer(look_id, Principal(user="ann")) is not None
    for wrong in ({"project": "other"}, {"user": "bob"}):
        with pytest.raises(InputError, match="project"):
            home.queue.look(ME, look.model_copy(update=wrong))


def test_the_newest_look_of_a_page_wins(home: Home) -> None:
    looks = [frame_look(home, at=Fraction(n, 10), page="tab one") for n in range(3)]
    other = frame_look(home, at=Fraction(1), page="tab two")
    strip = strip_look(home, page="tab one")
    ids = [home.queue.look(ME, look) for look in (other, strip, *looks)]
    for old in ids[2:4]:
        with pytest.raises(Cancelled, match="took the place"):
            home.queue.looks.answer(old, ME)
    home.worker()
    for kept in (ids[0], ids[1], ids[4]):
        home.until(lambda kept=kept: home.queue.looks.answer(kept, ME), limit_s=30)
    assert len(home.lines("analyse-begin")) == 2


def test_a_page_gives_up_only_its_own(home: Home) -> None:
    """The database's LIKE takes an underscore for any letter, and SQLite's takes A for a."""
    ids = {}
    for user in ("a_b", "axb", "A_B"):
        me = Principal(user=user)
        source = home.queue.take_in(me, "ad", home.clip)
        ids[user] = home.queue.look(me, StripLook(user=user, project="ad", source=source, page="tab"))
    first = home.queue.take_in(Principal(user="a_b"), "ad", home.clip)
    home.queue.look(Principal(user="a_b"), StripLook(user="a_b", project="ad", source=first, count=5, page="tab"))
    job = home.queue.submit(home.request())
    home.queue.looks.cancel("", ME)
    assert {user: home.queue.flow.status(look_id) for user, look_id in ids.items()} == {
        "a_b": "CANCELLED",
        "axb": "ENQUEUED",
        "A_B": "ENQUEUED",
    }
    home.queue.delete_user("a_b", ME)
    assert [home.queue.flow.status(ids[user]) for user in ("a_b", "axb", "A_B")] == ["", "ENQUEUED", "ENQUEUED"]
    assert home.queue.get(job.job_id, ME).status == "queued"


def test_a_look_without_a_worker_says_so(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ugclab.jobs.looks._PATIENCE_S", 0.2)
    worker = home.worker()
    home.kill(worker)
    look_id = home.queue.look(ME, frame_look(home))
    assert home.queue.looks.answer(look_id, ME) is None
    with pytest.raises(QueueUnavailable, match="no worker") as caught:
        home.until(lambda: home.queue.looks.answer(look_id, ME), limit_s=10)
    assert "ugclab worker" in caught.value.hint
    home.worker()
    assert home.until(lambda: home.queue.looks.answer(look_id, ME), limit_s=30)


def test_a_look_whose_process_dies_says_so_and_the_next_is_answered(home: Home) -> None:
    (home.ledger / "crash-analyse").touch()
    home.worker()
    look = frame_look(home)
    with pytest.raises(Exception, match="process died"):
        shown(home, look)
    assert shown(home, look).swapped


def test_a_strip_shows_the_footage_in_order(home: Home, tmp_path: Any) -> None:
    clip = make_clip(tmp_path / "numbers.mp4", frames=96, rate=24, size=(384, 216), gop=12)
    home.worker()
    seen = shown(home, strip_look(home, source=home.queue.take_in(ME, "ad", clip), count=8))
    assert isinstance(seen, StripSeen)
    assert (seen.count, seen.tile_width, seen.tile_height) == (8, 128, 72)
    assert (seen.frame_rate, seen.duration, seen.width, seen.height) == (24, 4, 384, 216)
    whole = picture(home, seen.picture)
    assert whole.shape == (72, 8 * 128, 3)
    numbers = [read_number(whole[:, n * 128 : (n + 1) * 128].mean(axis=2)) for n in range(8)]
    for number, at in zip(numbers, seen.times, strict=True):
        assert abs(number - at * 24) <= 6.5


def test_the_job_that_follows_need_not_look_again(home: Home) -> None:
    home.worker()
    source = home.queue.take_in(ME, "ad", home.clip)
    avatar = home.queue.take_in(ME, "ad", home.avatar, "avatar")
    given = {"user": "ann", "project": "ad", "source": source, "avatar": avatar, "engine": "ledger"}
    seen = shown(home, FacesLook(**given, plan=PLAN))
    assert isinstance(seen, FacesSeen)
    assert [str(part) for part in seen.ranges] == ["0.00-0.60 s", "1.20-1.80 s"]
    assert seen.plan == "0-0.6:swap,0.6-1.2:keep,1.2-1.8:swap"
    assert seen.people == (), "this engine tells nobody whom it saw"
    home.succeeded(home.queue.submit(home.request(plan=PLAN)).job_id)
    assert len(home.lines("analyse-begin")) == 1
    with pytest.raises(PlanError):
        shown(home, FacesLook(**given, plan="0-99:swap"))


def test_a_look_that_is_cancelled_makes_room(home: Home) -> None:
    home.worker()
    look = FacesLook(user="ann", project="ad", source=home.queue.take_in(ME, "ad", CLIP))
    look_id = home.queue.look(ME, look)
    home.until(lambda: home.queue.flow.status(look_id) == "PENDING")
    home.queue.looks.cancel(look_id, Principal(user="bob"))
    assert home.queue.looks.answer(look_id, ME) is None
    home.queue.looks.cancel(look_id, ME)
    with pytest.raises(Cancelled):
        home.queue.looks.answer(look_id, ME)
    assert shown(home, strip_look(home)).count == 45
    assert home.queue.flow.status(look_id) == "CANCELLED"
    with home.queue.database.reading() as connection:
        assert [r.answer[:15] for r in connection.execute(sa.select(seen_table))] == ['{"kind":"strip"']


def test_a_job_of_any_codec_is_proved_and_the_proof_goes_with_it(home: Home, tmp_path: Any) -> None:
    clip = make_clip(tmp_path / "hevc.mp4", frames=45, rate=25, codec="libx265", pixel_format="yuv420p10le")
    home.worker()
    job = home.succeeded(home.queue.submit(home.request(source=str(clip))).job_id)
    look_id = home.queue.proof(ME, job.job_id)
    seen = home.until(lambda: home.queue.looks.answer(look_id, ME), limit_s=30)
    assert isinstance(seen, ProofSeen)
    assert (seen.frames, seen.frame_rate, seen.width, seen.height) == (45, 25, 192, 108)
    brightness = []
    for key in (seen.before, seen.after):
        with av.open(io.BytesIO(home.queue.store.read_bytes(key))) as container:
            assert container.streams.video[0].codec_context.name == "h264"
            planes = [picture.to_ndarray(format="gray").astype(float) for picture in container.decode(video=0)]
        assert [read_number(plane) for plane in planes] == list(range(45))
        brightness.append([plane.mean() for plane in planes])
    darker = np.array(brightness[1]) / np.array(brightness[0])
    assert darker[:15].max() < 0.95 < darker[15:30].min(), "swapped, and kept"
    again = home.queue.proof(ME, job.job_id)
    assert home.queue.looks.answer(again, ME) == seen
    for stranger in (Principal(user="bob"), Principal(user="an")):
        with pytest.raises(JobNotFound):
            home.queue.proof(stranger, job.job_id)
        with pytest.raises(JobNotFound):
            home.queue.looks.answer(again, stranger)
    home.queue.delete(job.job_id, ME)
    assert not list(home.queue.store.list("users/ann"))
    with pytest.raises(JobNotFound):
        home.queue.looks.answer(again, ME)


def test_a_job_without_a_result_has_no_proof(home: Home) -> None:
    job = home.queue.submit(home.request())
    with pytest.raises(JobConflict, match="queued"):
        home.queue.proof(ME, job.job_id)


def test_a_frame_does_not_wait_behind_a_proof_or_faces(home: Home) -> None:
    home.worker()
    source = home.queue.take_in(ME, "ad", CLIP)
    job_id = new_ulid()
    slow = [
        ProofLook(user="ann", project="ad", job_id=job_id, source=source, output=source),
        FacesLook(user="ann", project="ad", source=source),
    ]
    ids = [home.queue.look(ME, look) for look in slow]
    home.until(lambda: all(home.queue.flow.status(i) == "PENDING" for i in ids))
    assert shown(home, frame_look(home)).swapped
    assert home.queue.looks.answer(ids[0], ME) is None
    for slow_id in ids:
        home.queue.looks.cancel(slow_id, ME)


def test_nothing_of_a_deleted_project_stays(home: Home) -> None:
    home.worker()
    seen = shown(home, frame_look(home))
    shown(home, strip_look(home))
    home.queue.delete_project("ann", "ad", ME)
    assert not list(home.queue.store.list("users/ann"))
    with pytest.raises(JobNotFound):
        home.queue.looks.answer("seen/" + seen.before.rpartition("/")[0], ME)


def test_what_shows_a_deleted_jobs_footage_goes_with_it(home: Home) -> None:
    home.worker()
    seen = shown(home, frame_look(home))
    job = home.succeeded(home.queue.submit(home.request()).job_id)
    home.queue.delete(job.job_id, ME)
    assert not home.queue.store.exists(seen.before)
    assert not list(home.queue.store.list("users/ann"))


def test_what_was_seen_goes_after_the_retention_time(home: Home) -> None:
    worker = home.worker()
    seen = shown(home, strip_look(home))
    home.kill(worker)
    assert home.queue.store.exists(seen.picture)
    time.sleep(1.1)
    home.worker(UGCLAB_RETENTION_DAYS=str(1 / 86_400))
    home.until(lambda: not home.queue.store.exists(seen.picture), limit_s=20)
