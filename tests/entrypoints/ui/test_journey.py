"""The whole way in a real browser: sample, preview, submit, reload, kill -9 of the worker, done, slider, download."""

import os
import signal
from pathlib import Path

import pytest

from tests.entrypoints.ui.conftest import Site, Watched
from ugclab.media.probe import probe

pytestmark = pytest.mark.slow


def test_from_the_sample_to_a_finished_video(site: Site, tab: Watched, tmp_path: Path) -> None:
    page = tab.page
    page.goto("/")
    page.click("#try-sample")
    page.wait_for_selector(".cr-preview .s-slider img")
    page.get_by_text("About").wait_for()
    page.click("#submit")
    page.get_by_role("alert").get_by_text("Tick the box").wait_for()
    page.check("#agreed")
    page.get_by_role("button", name="Swap 2 segments").click()
    page.wait_for_url("**/jobs?id=*")

    job_url = page.url
    page.get_by_role("heading", name="talking_head.mp4").wait_for()
    page.reload()
    page.get_by_role("heading", name="talking_head.mp4").wait_for()
    (worker,) = site.workers()
    assert page.get_by_text("Download").count() == 0, "the job was done before its worker could be killed"
    os.kill(worker, signal.SIGKILL)

    page.get_by_text("Download").wait_for(timeout=90_000)
    assert page.url == job_url
    handle = page.locator(".s-slider [role=slider]").first
    handle.wait_for(timeout=60_000)
    before = handle.get_attribute("aria-valuenow")
    handle.focus()
    page.keyboard.press("ArrowRight")
    assert handle.get_attribute("aria-valuenow") != before

    with page.expect_download() as saving:
        page.get_by_text("Download").first.click()
    saved = tmp_path / "result.mp4"
    saving.value.save_as(saved)
    assert saving.value.suggested_filename == "talking_head-swapped.mp4"
    assert probe(saved).duration == 30
    assert tab.faults == []


def test_a_photo_without_a_face_is_told_before_anything_runs(site: Site, tab: Watched, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    photo = tmp_path / "wall.png"
    Image.fromarray(np.full((300, 300, 3), 128, np.uint8)).save(photo)
    page = tab.page
    page.goto("/")
    page.click("#try-sample")
    page.wait_for_selector(".cr-preview .s-slider img")
    page.set_input_files(".drop-avatar input", str(photo))
    page.get_by_role("alert").first.wait_for()
    said = page.get_by_role("alert").first.text_content()
    assert "face" in said
    page.set_input_files(".drop-source input", str(photo))
    page.get_by_role("alert").get_by_text("video").wait_for()


def test_the_timeline_by_keyboard(site: Site, tab: Watched) -> None:
    page = tab.page
    page.goto("/")
    page.click("#try-sample")
    segments = page.locator(".tl-segment")
    segments.nth(3).wait_for()
    assert [segments.nth(n).get_attribute("aria-pressed") for n in range(4)] == ["true", "false", "true", "false"]
    segments.nth(1).press("Enter")
    page.get_by_role("button", name="Swap 3 segments").wait_for()
    edge = page.get_by_role("slider", name="Edge between segments 1 and 2")
    assert edge.get_attribute("aria-valuenow") == "125"
    edge.press("Shift+ArrowRight")
    edge.press("ArrowLeft")
    assert edge.get_attribute("aria-valuenow") == "134"
    assert edge.get_attribute("aria-valuetext") == "00:05.36, frame 134"
    edge.press("Delete")
    page.get_by_role("button", name="Swap 2 segments").wait_for()
    head = page.get_by_role("slider", name="Frame to preview")
    head.press("Home")
    page.get_by_text("Frame 00:00.00").wait_for()
    page.reload()
    page.get_by_role("button", name="Swap 2 segments").wait_for()
    assert tab.faults == []
