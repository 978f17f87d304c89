"""ugclab: put a face into chosen segments of a video, leave the rest untouched, know what it cost.

import ugclab

report = ugclab.swap("in.mp4", "me.jpg", out="out.mp4", plan="0-5:swap,5-15:keep")
print(report.seconds, report.cost_usd)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ugclab.entrypoints.library import prepare, preview, probe, swap
    from ugclab.errors import UgclabError
    from ugclab.schema.plan import SegmentPlan
    from ugclab.schema.report import Report
    from ugclab.settings import Settings

__all__ = ["Report", "SegmentPlan", "Settings", "UgclabError", "prepare", "preview", "probe", "swap"]

_PLACES = {
    "Report": "ugclab.schema.report",
    "SegmentPlan": "ugclab.schema.plan",
    "Settings": "ugclab.settings",
    "UgclabError": "ugclab.errors",
    "prepare": "ugclab.entrypoints.library",
    "preview": "ugclab.entrypoints.library",
    "probe": "ugclab.entrypoints.library",
    "swap": "ugclab.entrypoints.library",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: `import ugclab` alone takes milliseconds."""
    if name not in _PLACES:
        raise AttributeError(f"module 'ugclab' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
