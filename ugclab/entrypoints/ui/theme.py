"""The identity as data: colours for light and for dark, each designed for its own; type; and Gradio's theme made of it.

Text stands at 4.6:1 or more on what it lies on (tests/entrypoints/ui/test_theme.py counts). `swapped` is the one signal
colour, `untouched` its counterpart; they differ in form too, since their luminances are close.
"""

from typing import Any

TOKENS: dict[str, tuple[str, str]] = {
    "bg": ("#e9ecee", "#0d0f11"),
    "surface": ("#f8f9fa", "#171a1d"),
    "sunk": ("#dde2e5", "#08090a"),
    "ink": ("#14181b", "#e8ebed"),
    "muted": ("#525b62", "#9aa5ad"),
    "line": ("#cfd5d9", "#292f34"),
    "control": ("#79848c", "#56616a"),
    "swapped": ("#c2330d", "#ff6a3d"),
    "on-swapped": ("#ffffff", "#180700"),
    "swapped-text": ("#b32f0c", "#ff855f"),
    "swapped-wash": ("#f6d9cf", "#43200f"),
    "untouched": ("#557488", "#7295ab"),
    "untouched-ink": ("#263a47", "#c3d4df"),
    "untouched-wash": ("#d3dde3", "#1f2a32"),
    "focus": ("#0b5fc4", "#7db8ff"),
    "film": ("#0e1113", "#000000"),
}
"""Name -> (light, dark), as sRGB hex."""


def stylesheet() -> str:
    """The colours as custom properties; the dark ones where Gradio says that it is dark."""
    light = "".join(f"--u-{name}:{pair[0]};" for name, pair in TOKENS.items())
    dark = "".join(f"--u-{name}:{pair[1]};" for name, pair in TOKENS.items())
    return f":root{{{light}color-scheme:light}}\n.dark{{{dark}color-scheme:dark}}\n"


def theme() -> Any:
    """Gradio's own controls in the same clothes."""
    import gradio as gr
    from gradio.themes.utils.fonts import LocalFont

    def both(name: str, token: str) -> dict[str, str]:
        return {name: TOKENS[token][0], f"{name}_dark": TOKENS[token][1]}

    base = gr.themes.Base(
        font=[LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=[LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "monospace"],
        radius_size=gr.themes.sizes.radius_none,
        spacing_size=gr.themes.sizes.spacing_md,
        text_size=gr.themes.sizes.text_md,
    )
    return base.set(
        **both("body_background_fill", "bg"),
        **both("background_fill_primary", "surface"),
        **both("background_fill_secondary", "bg"),
        **both("body_text_color", "ink"),
        **both("body_text_color_subdued", "muted"),
        **both("border_color_primary", "line"),
        **both("border_color_accent", "control"),
        color_accent="var(--u-swapped)",
        **both("color_accent_soft", "swapped-wash"),
        **both("link_text_color", "swapped-text"),
        **both("link_text_color_hover", "ink"),
        **both("link_text_color_visited", "swapped-text"),
        **both("link_text_color_active", "swapped-text"),
        **both("block_background_fill", "surface"),
        **both("block_border_color", "line"),
        **both("block_label_background_fill", "surface"),
        **both("block_label_text_color", "muted"),
        **both("block_title_text_color", "ink"),
        **both("block_info_text_color", "muted"),
        **both("input_background_fill", "surface"),
        **both("input_border_color", "control"),
        **both("input_border_color_focus", "focus"),
        **both("input_placeholder_color", "muted"),
        **both("button_primary_background_fill", "swapped"),
        **both("button_primary_background_fill_hover", "swapped"),
        **both("button_primary_text_color", "on-swapped"),
        **both("button_primary_border_color", "swapped"),
        **both("button_secondary_background_fill", "surface"),
        **both("button_secondary_background_fill_hover", "sunk"),
        **both("button_secondary_text_color", "ink"),
        **both("button_secondary_border_color", "control"),
        **both("table_border_color", "line"),
        **both("table_even_background_fill", "surface"),
        **both("table_odd_background_fill", "surface"),
        **both("code_background_fill", "surface"),
        **both("error_background_fill", "swapped-wash"),
        **both("error_text_color", "swapped-text"),
        **both("error_border_color", "swapped"),
        block_shadow="none",
        block_shadow_dark="none",
        button_primary_shadow="none",
        button_secondary_shadow="none",
        shadow_drop="none",
        block_border_width="1px",
        block_label_border_width="0px",
        input_shadow="none",
        input_shadow_focus="none",
    )
