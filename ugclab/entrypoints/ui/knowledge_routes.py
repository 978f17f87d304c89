"""Engines, benchmarks and Wan2.2 commands over HTTP: what is known, and what of it can be changed from a page."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request

from ugclab.entrypoints.ui import traps
from ugclab.entrypoints.ui.figures import Figures
from ugclab.entrypoints.ui.shelf import Shelf
from ugclab.errors import IntakeError
from ugclab.settings import Settings

_HERE = {"127.0.0.1", "::1", "localhost"}


def knowledge_routes(shelf: Shelf, figures: Figures) -> APIRouter:
    """Routes below `/desk`."""
    routes = APIRouter(prefix="/desk")

    @routes.get("/shelf")
    def catalogue(request: Request) -> dict[str, Any]:
        return shelf.shown(may_pull=may_pull(request, shelf.settings))

    @routes.get("/shelf/pulls")
    def pulls() -> dict[str, Any]:
        return shelf.pulls.shown()

    @routes.post("/shelf/{name}/{what}")
    def change(name: str, what: str, request: Request, document: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        """Fetch, verify or stop, where whoever asks may; `accepted` says that they accept the licences shown."""
        if not may_pull(request, shelf.settings):
            raise IntakeError(
                "model files are not fetched from this page",
                hint=f"on the machine, type: ugclab models pull {name[:64]}",
            )
        if what == "cancel":
            return shelf.cancel(name)
        return shelf.start(name, fetch=what == "pull", accepted=document.get("accepted") is True)

    @routes.get("/figures")
    def shown_figures() -> dict[str, Any]:
        return figures.shown()

    @routes.get("/wan")
    def wan_choices() -> dict[str, Any]:
        return traps.choices()

    @routes.post("/wan/check")
    def check(document: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        return traps.check_text(str(document.get("text", "")), str(document.get("gpu", "")))

    @routes.post("/wan/build")
    def build(document: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        return traps.build_commands(document)

    return routes


def may_pull(request: Request, settings: Settings) -> bool:
    """Whether who asks may fill the disk with model files: an account, or somebody at this machine itself.

    At this machine: the page listens on loopback, the connection comes from there, no proxy has passed it on, and the
    name in the address is the machine's own (a foreign page may have a name that points here).
    """
    if settings.ui_pull == "off":
        return False
    if settings.accounts:
        return True
    named = request.url.hostname in _HERE
    passed_on = any(name in request.headers for name in ("x-forwarded-for", "x-forwarded-host", "forwarded"))
    came_from = request.client.host if request.client else ""
    return settings.host in _HERE and named and not passed_on and came_from in _HERE
