"""Jobs over HTTP, for the page's own scripts; and the stable link to a result, for whoever has it."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from ugclab.entrypoints.ui.job_desk import JobDesk, Side
from ugclab.entrypoints.ui.routes import Asking
from ugclab.entrypoints.web.serving import NEVER, Serving, link_routes

_READ = ["GET", "HEAD"]


def job_routes(desk: JobDesk, serving: Serving) -> APIRouter:
    """Routes below `/desk/jobs`, and `/r/{token}`."""
    routes = APIRouter()
    routes.include_router(_seeing(desk), prefix="/desk/jobs")
    routes.include_router(_changing(desk), prefix="/desk/jobs")
    routes.include_router(_taking(desk, serving), prefix="/desk/jobs")
    routes.include_router(link_routes(desk.behind, serving))
    return routes


def _seeing(desk: JobDesk) -> APIRouter:
    routes = APIRouter()

    @routes.get("")
    def jobs(caller: Asking) -> dict[str, Any]:
        return desk.jobs(caller.principal)

    @routes.get("/{job_id}")
    def job(job_id: str, caller: Asking) -> dict[str, Any]:
        return desk.job(caller.principal, job_id)

    @routes.get("/{job_id}/link")
    def link(job_id: str, caller: Asking) -> dict[str, str]:
        return desk.link(caller.principal, job_id)

    return routes


def _changing(desk: JobDesk) -> APIRouter:
    routes = APIRouter()

    @routes.post("/{job_id}/cancel")
    def cancel(job_id: str, caller: Asking) -> dict[str, Any]:
        return desk.cancel(caller.principal, job_id)

    @routes.post("/{job_id}/retry")
    def retry(job_id: str, caller: Asking) -> dict[str, Any]:
        return desk.retry(caller.principal, job_id)

    @routes.delete("/{job_id}")
    def delete(job_id: str, caller: Asking) -> dict[str, Any]:
        desk.delete(caller.principal, job_id)
        return {"deleted": job_id}

    @routes.post("/{job_id}/link")
    def renew_link(job_id: str, caller: Asking) -> dict[str, str]:
        return desk.renew_link(caller.principal, job_id)

    @routes.delete("/{job_id}/link")
    def revoke_link(job_id: str, caller: Asking) -> dict[str, str]:
        return desk.revoke_link(caller.principal, job_id)

    return routes


def _taking(desk: JobDesk, serving: Serving) -> APIRouter:
    routes = APIRouter()

    @routes.api_route("/{job_id}/result", methods=_READ)
    def result(job_id: str, caller: Asking, request: Request) -> Response:
        """To be shown, or with `?save` to be saved."""
        asset = desk.result(caller.principal, job_id)
        return serving.give(asset.key, asset.name) if "save" in request.query_params else serving.show(asset.key)

    @routes.api_route("/{job_id}/given/{side}", methods=_READ)
    def given(job_id: str, side: Side, caller: Asking) -> Response:
        return serving.show(desk.given(caller.principal, job_id, side).key)

    @routes.post("/{job_id}/proof")
    def ask_proof(job_id: str, caller: Asking) -> dict[str, Any]:
        return desk.ask_proof(caller.principal, job_id)

    @routes.get("/{job_id}/proof")
    def proof(job_id: str, look: str, caller: Asking) -> dict[str, Any]:
        return desk.proof(caller.principal, job_id, look) or {"look": look}

    @routes.api_route("/{job_id}/proof/{name:path}", methods=_READ)
    def film(job_id: str, name: str, caller: Asking) -> Response:
        return serving.show(desk.film(caller.principal, job_id, name))

    @routes.get("/{job_id}/sheet")
    def sheet(job_id: str, caller: Asking) -> Response:
        return serving.show(desk.sheet(caller.principal, job_id))

    @routes.get("/{job_id}/report.json")
    def report_json(job_id: str, caller: Asking) -> Response:
        text = desk.report(caller.principal, job_id).model_dump_json(indent=1) + "\n"
        return _document(text, "application/json", f"{job_id}.json")

    @routes.get("/{job_id}/report.md")
    def report_markdown(job_id: str, caller: Asking) -> Response:
        text = desk.report(caller.principal, job_id).to_markdown()
        return _document(text, "text/markdown; charset=utf-8", f"{job_id}.md")

    return routes


def _document(text: str, media_type: str, name: str) -> Response:
    """A text to be saved; scripts read it as well."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": NEVER}
    return Response(text, media_type=media_type, headers=headers)
