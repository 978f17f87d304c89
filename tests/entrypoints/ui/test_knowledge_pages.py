"""Engines, Benchmarks and Wan2.2 in a real browser: what they say, and that they ask nobody else."""

from typing import Any

import pytest

from tests.entrypoints.ui.conftest import Site, Watched, watch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_engines_shows_what_is_here_and_verifies_it(tab: Watched) -> None:
    page = tab.page
    page.goto("/engines")
    card = page.get_by_role("article", name="mesh")
    card.get_by_text("Replaces the face alone").wait_for()
    assert card.get_by_role("row").count() >= 4
    card.get_by_role("button", name="Verify model files of mesh").click()
    card.locator(".e-pull :is(.u-note, .u-fault)").wait_for()
    assert tab.faults == []


def test_benchmarks_draws_every_gpu_beside_the_targets(tab: Watched) -> None:
    page = tab.page
    page.goto("/benchmarks")
    page.get_by_role("heading", name="Predicted, by engine and GPU").wait_for()
    rows = page.locator("section", has=page.get_by_role("heading", name="Predicted")).locator(".b-row:not(.b-top)")
    assert rows.count() > 10
    assert page.get_by_text("target 5 min").first.is_visible()
    page.get_by_text("Nothing given up", exact=True).click()
    page.get_by_text("The whole picture at 720p").wait_for()
    assert page.locator(".b-fill.beyond").count() > 5
    page.get_by_text("The figures as a table").first.click()
    assert page.get_by_role("columnheader", name="Rests on").is_visible()
    page.get_by_label("Footage").select_option(label="one 5 s segment of 720p")
    assert page.get_by_text("ugclab, warm").first.is_visible()
    assert tab.faults == []


def test_a_pasted_command_is_corrected_and_a_built_one_is_right(tab: Watched) -> None:
    page = tab.page
    page.goto("/wan")
    page.get_by_role("button", name="Try an example with mistakes").click()
    page.get_by_role("heading", name="errors").first.wait_for()
    assert "--fps 30" in page.locator(".w-out pre").inner_text()
    page.get_by_label("The command, for").fill(
        "python generate.py --task animate-14B --prompt '<img src=x onerror=alert(1)>'"
    )
    page.get_by_text("is missing").first.wait_for()
    assert page.locator("#main img").count() == 0
    page.get_by_role("tab", name="Build one").click()
    page.get_by_role("heading", name="Checked: nothing is wrong").wait_for()
    page.get_by_label("Sampling").fill("4")
    page.get_by_text("need a step-distilled LoRA").wait_for()
    assert tab.faults == []


@pytest.mark.parametrize("path", ["/engines", "/benchmarks", "/wan"])
def test_a_phone_shows_it_without_sliding_sideways(site: Site, browser: Any, path: str) -> None:
    context = browser.new_context(base_url=site.url, viewport={"width": 390, "height": 844}, color_scheme="dark")
    tab = watch(context.new_page(), site)
    tab.page.goto(path)
    tab.page.locator("#main :is(.e-card, .b-answer, .w-tab)").first.wait_for()
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert tab.faults == []
