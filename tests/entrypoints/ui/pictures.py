"""The README's pictures of the page: python -m tests.entrypoints.ui.pictures"""

import io
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from tests.conftest import ROOT
from tests.entrypoints.ui.conftest import _ARGUMENTS, CHROMIUM, open_site


def main() -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        site = open_site(Path(folder), USD_PER_HOUR="0.4")
        site.start()
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_ARGUMENTS))
        try:
            for scheme in ("light", "dark"):
                context = browser.new_context(
                    base_url=site.url, color_scheme=scheme, viewport={"width": 1320, "height": 900}
                )
                context.set_default_timeout(60_000)
                page = context.new_page()
                page.goto("/")
                page.click("#try-sample")
                page.wait_for_selector(".cr-preview .s-slider img")
                page.get_by_text("About").wait_for()
                page.wait_for_selector(".cr-notes .u-note")
                page.check("#agreed")
                show_the_face(page)
                page.get_by_role("heading", name="Put a face").click()
                if scheme == "light":
                    page.wait_for_timeout(1500)
                    keep(page.screenshot(full_page=True), "page-create.jpg")
                    continue
                page.click("#submit")
                page.get_by_text("Download").first.wait_for()
                page.wait_for_selector(".s-slider video")
                page.wait_for_timeout(15_000)  # the proofs, and their first pictures
                show_the_face(page)
                keep(page.screenshot(), "page-job.jpg")
        finally:
            browser.close()
            site.stop()


def show_the_face(page: Any) -> None:
    """Move the handle beside the face."""
    handle = page.locator(".s-slider [role=slider]").first
    handle.press("PageDown")
    handle.press("ArrowLeft")


def keep(png: bytes, name: str) -> None:
    """As a JPEG of the documents."""
    Image.open(io.BytesIO(png)).convert("RGB").save(ROOT / "docs" / name, quality=86, optimize=True)


if __name__ == "__main__":
    main()
