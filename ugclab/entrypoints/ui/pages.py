"""The pages as Gradio blocks: a header, and on each page one component whose script owns what is inside it.

A script is a module below static/, loaded by `js_on_load`. Templates are constants: what a person typed or called a
file never enters one, since Gradio evaluates templates as JavaScript; scripts set text by `textContent`.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

STATIC = Path(__file__).parent / "static"
PAGES = (
    ("Create", "/"),
    ("Jobs", "/jobs"),
    ("Engines", "/engines"),
    ("Benchmarks", "/benchmarks"),
    ("Wan2.2", "/wan"),
)


@cache
def static_root() -> str:
    """Where the scripts and styles are served: under the hash of what they hold, so that a browser may keep them."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return f"/ui/{digest.hexdigest()[:12]}"


def head(fonts: tuple[str, ...] = ("IBMPlexSans/IBMPlexSans-Regular", "IBMPlexSans/IBMPlexSans-Bold")) -> str:
    """What goes into the document's head: styles, and the fonts that the first paint needs."""
    root = static_root()
    sheets = "".join(f'<link rel="stylesheet" href="{root}/{p.name}">' for p in sorted(STATIC.glob("*.css")))
    preloads = "".join(
        f'<link rel="preload" href="/static/fonts/{name}.woff2" as="font" type="font/woff2" crossorigin>'
        for name in fonts
    )
    return f'{preloads}<link rel="stylesheet" href="/ui/tokens.css">{sheets}<link rel="icon" href="{root}/icon.svg">'


def header(current: str, who: str = "") -> Any:
    """The bar at the top: the name, the pages, who is logged in."""
    import gradio as gr

    links = "".join(
        f'<a href="{path}"{" aria-current=page" if name == current else ""}>{name}</a>' for name, path in PAGES
    )
    gr.Navbar(visible="hidden", main_page_name="Create")
    return gr.HTML(
        html_template=(
            '<a class="u-skip" href="#main">Skip to the content</a>'
            '<div class="u-bar"><a class="u-name" href="/">ugc<span>lab</span></a>'
            f'<nav aria-label="Pages">{links}</nav><span class="u-who">{escape(who)}</span></div>'
        ),
        js_on_load=_load("shell"),
        apply_default_css=False,
        padding=False,
        elem_id="u-header",
    )


def component(script: str, skeleton: str) -> Any:
    """A component that `static/{script}.js` fills in; `skeleton` stands there until then, at its full height."""
    import gradio as gr

    return gr.HTML(
        html_template=skeleton,
        js_on_load=_load(script),
        apply_default_css=False,
        padding=False,
        elem_id="main",
        elem_classes=[f"u-{script}"],
    )


def _load(script: str) -> str:
    return f'import("{static_root()}/{script}.js").then((module) => module.mount(element))'


def build_blocks(pages: dict[str, Callable[[], None]], endpoints: Callable[[], None]) -> Any:
    """All pages as one multi-page app. `pages` fills each by its name; `endpoints` adds what programs call."""
    import gradio as gr

    with gr.Blocks(title="ugclab", analytics_enabled=False, delete_cache=(3600, 3600), fill_width=True) as blocks:
        header("Create")
        pages["Create"]()
        endpoints()
    for name, path in PAGES[1:]:
        with blocks.route(name, path):
            header(name)
            pages[name]()
    return blocks
