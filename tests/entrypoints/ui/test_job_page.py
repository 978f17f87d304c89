"""A job's page in a real browser: it runs, is done, is looked at frame by frame and taken away; or fails or is stopped.

The engine is the ledger (tests/engines/ledger.py), which takes its time and fails as it is told; each frame of the
footage carries its number, so a test reads off a playing film which frame it shows.
"""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.entrypoints.ui.conftest import Site, Watched, open_site, watch
from tests.entrypoints.ui.visitors import submit
from tests.face_clips import write_clip
from ugclab.media.probe import probe

pytestmark = pytest.mark.slow

NUMBERS = """() => [...document.querySelectorAll(".s-slider video")].map((film) => {
  const canvas = document.createElement("canvas");
  canvas.width = 320; canvas.height = 240;
  const brush = canvas.getContext("2d");
  brush.drawImage(film, 0, 0, 320, 240);
  let number = 0;
  for (let bit = 0; bit < 10; bit++) if (brush.getImageData(bit * 8 + 4, 4, 1, 1).data[1] > 128) number += 2 ** bit;
  return number;
})"""
"""Which frame each of the two films shows."""


@dataclass
class Lab:
    """A page whose engine does as it is told."""

    site: Site
    ledger: Path
    footage: Path

    def pace(self, pause_s: float) -> None:
        (self.ledger / "slow").write_text(str(pause_s))

    def fail(self, step: str, code: str) -> None:
        (self.ledger / f"fail-{step}").write_text(code)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, plugin_dir: Path) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    ledger = folder / "ledger"
    ledger.mkdir()
    site = open_site(folder, TEST_LEDGER=str(ledger), HEARTBEAT_S="0.5", TAKEOVER_S="2.5", RETRY_S="0.2")
    site.environment["PYTHONPATH"] = f"{ROOT}:{plugin_dir}"
    site.start()
    yield Lab(site, ledger, write_clip(folder / "five seconds.mp4", frames=125, audio=True))
    site.stop()


@pytest.fixture
def visitor(lab: Lab, browser: Any) -> Watched:
    """Somebody new, with an empty list of jobs."""
    context = browser.new_context(base_url=lab.site.url, viewport={"width": 1320, "height": 900})
    context.set_default_timeout(60_000)
    lab.pace(0)
    return watch(context.new_page(), lab.site)


@pytest.fixture
def new_job(lab: Lab, visitor: Watched, avatar: Path, request: pytest.FixtureRequest) -> Callable[..., str]:
    """Submit a job that nobody has submitted before; its page's path."""

    def make(**draft: Any) -> str:
        visitor.page.goto("/jobs")
        name = request.node.name[:60]
        return f"/jobs?id={submit(visitor.page.context, lab.footage, avatar, watermark=name, **draft)}"

    return make


def test_it_runs_is_done_and_is_looked_at_frame_by_frame(
    lab: Lab, visitor: Watched, new_job: Callable[..., str], tmp_path: Path
) -> None:
    page = visitor.page
    lab.pace(0.05)
    page.goto(new_job())
    page.locator(".j-status", has_text="Running").wait_for()
    page.get_by_text("Swapping 00:00 – 00:01").first.wait_for()
    assert page.locator(".j-header .j-part").count() == 4
    page.reload()
    page.locator(".j-status", has_text="Running").wait_for()
    lab.pace(0)
    page.locator(".j-status", has_text="Done").wait_for()
    page.locator(".s-slider video[src*='/proof/']").first.wait_for()

    handle = page.get_by_role("slider", name="Before and after")
    assert handle.get_attribute("aria-valuenow") == "50"
    handle.press("ArrowRight")
    assert handle.get_attribute("aria-valuenow") == "52"
    box = page.locator(".s-slider").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 60, steps=5)
    page.mouse.up()
    assert handle.get_attribute("aria-valuenow") == "25"

    frame = page.get_by_role("slider", name="Frame")
    assert frame.get_attribute("aria-valuetext") == "00:00.50, swapped 00:00 – 00:01"
    for keys, number in (("ArrowRight", 13), ("Shift+ArrowRight", 23), ("PageUp", 48), ("ArrowLeft", 47), ("End", 124)):
        frame.press(keys)
        assert frame.get_attribute("aria-valuenow") == str(number), keys
        page.wait_for_function(f"({NUMBERS})().every((shown) => shown === {number})")
    page.get_by_role("button", name="Side by side").click()
    sides = [film.bounding_box() for film in page.locator(".s-slider video").all()]
    assert sides[0]["x"] + sides[0]["width"] <= sides[1]["x"]

    with page.expect_download() as saving:
        page.get_by_role("link", name="Download").click()
    saving.value.save_as(tmp_path / "result.mp4")
    assert saving.value.suggested_filename == "five seconds-swapped.mp4"
    assert probe(tmp_path / "result.mp4").duration == 5
    link = page.get_by_label("Link to the result").input_value()
    assert link.startswith(f"{lab.site.url}/r/")
    assert page.context.request.get(link).body() == (tmp_path / "result.mp4").read_bytes()
    page.get_by_role("button", name="Revoke link").click()
    page.get_by_role("button", name="Make a link").wait_for()
    assert page.context.request.get(link).status == 404
    page.get_by_text("Share by stage").wait_for()
    assert visitor.faults == []


def test_both_films_play_in_step(visitor: Watched, new_job: Callable[..., str]) -> None:
    page = visitor.page
    page.goto(new_job())
    page.locator(".s-slider video[src*='/proof/']").first.wait_for()
    frame = page.get_by_role("slider", name="Frame")
    frame.press("Home")
    frame.press(" ")
    page.get_by_role("button", name="Pause").wait_for()
    page.wait_for_function("document.querySelector('.s-after').currentTime > 2")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Play").wait_for()
    page.wait_for_timeout(300)
    before, after = page.evaluate(NUMBERS)
    assert before == after == int(frame.get_attribute("aria-valuenow"))
    assert 50 <= after < 125
    assert visitor.faults == []


def test_what_failed_says_where_and_goes_on_by_one_button(
    lab: Lab, visitor: Watched, new_job: Callable[..., str]
) -> None:
    page = visitor.page
    lab.fail("swap", "engine")
    page.goto(new_job())
    why = page.get_by_role("region", name="What went wrong")
    why.get_by_text("The test wants engine.").wait_for()
    assert "the segment to swap 00:00 – 00:01" in why.inner_text()
    assert "Nothing to do." in why.inner_text()
    assert why.get_by_role("button").count() == 1
    page.get_by_text("Log", exact=True).click()
    page.get_by_text("Failed while swapping 00:00 – 00:01: the test wants engine").wait_for()
    why.get_by_role("button", name="Retry").click()
    page.locator(".j-status", has_text="Done").wait_for()
    assert visitor.faults == []


def test_a_job_is_stopped_tried_again_and_deleted(lab: Lab, visitor: Watched, new_job: Callable[..., str]) -> None:
    page = visitor.page
    lab.pace(0.5)
    new_job()
    page.goto("/jobs")
    row = page.locator(".j-row:not(.j-blank)")
    row.locator(".j-status", has_text="Running").wait_for()
    row.get_by_role("button", name="Cancel").click()
    row.locator(".j-status", has_text="Cancelled").wait_for()
    row.get_by_role("button", name="Retry").click()
    row.get_by_role("button", name="Cancel").wait_for()
    row.get_by_role("button", name="Delete").click()
    page.keyboard.press("Escape")
    row.get_by_role("button", name="Cancel").wait_for()
    row.get_by_role("button", name="Delete").click()
    row.get_by_role("button", name="Delete for good").click()
    page.get_by_text("No jobs yet").wait_for()
    assert visitor.faults == []


def test_it_outlives_the_worker_and_the_page(lab: Lab, visitor: Watched, new_job: Callable[..., str]) -> None:
    page = visitor.page
    lab.pace(0.1)
    page.goto(new_job())
    page.get_by_text("Swapping 00:00 – 00:01").first.wait_for()
    (worker,) = lab.site.workers()
    os.kill(worker, signal.SIGKILL)
    page.get_by_text("taken over by another worker").first.wait_for()
    assert visitor.faults == []
    lab.site.stop(signal.SIGKILL)
    page.get_by_text("The workbench does not answer, trying again").wait_for()
    lab.site.start()
    page.get_by_text("The workbench does not answer, trying again").wait_for(state="detached")
    lab.pace(0)
    page.locator(".j-status", has_text="Done").wait_for()


def test_a_job_that_is_not_there(visitor: Watched) -> None:
    visitor.page.goto("/jobs?id=01AAAAAAAAAAAAAAAAAAAAAAAA")
    visitor.page.get_by_text("There is no such job here").wait_for()
    visitor.page.get_by_role("link", name="See your jobs").click()
    visitor.page.get_by_text("No jobs yet").wait_for()
