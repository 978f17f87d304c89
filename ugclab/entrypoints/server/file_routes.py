"""Files that are brought for jobs, `/v1/uploads`; what a job with them would cost; which engines there are."""

from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.concurrency import run_in_threadpool

from ugclab.engines import registry
from ugclab.entrypoints.server.callers import Reading, Writing
from ugclab.entrypoints.server.door import described
from ugclab.entrypoints.server.job_routes import At, Root
from ugclab.entrypoints.server.shapes import (
    Engine,
    EstimateWanted,
    File,
    file_shown,
    leave_shown,
)
from ugclab.entrypoints.web.estimating import Estimate, estimated
from ugclab.entrypoints.web.receiving import received
from ugclab.errors import InputError, LimitReached
from ugclab.schema.contract import ASSET, UploadLeave, UploadWanted

routes = APIRouter(prefix="/v1", tags=["files"])

UploadId = Annotated[str, Path(pattern="^[0-9A-HJKMNP-TV-Z]{26}$", description="of POST /v1/uploads")]
_BYTES = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@routes.post("/uploads", status_code=201, responses=described(400, 413, 422))
def begin(wanted: UploadWanted, key: Writing, door: At, root: Root) -> UploadLeave:
    """Ask leave to bring a file: straight to the store where it gives out addresses, to this server elsewhere."""
    if wanted.sha256:
        with suppress(InputError):
            asset = door.orders.asset(f"{ASSET}{wanted.sha256}", wanted.project, key.principal)
            return UploadLeave(asset=f"{ASSET}{asset.sha256}")
    leave = door.uploads.begin(key.principal, wanted.project, wanted.role, wanted.name, wanted.size_bytes)
    return leave_shown(leave, root)


@routes.put("/uploads/{upload_id}", status_code=201, openapi_extra=_BYTES, responses=described(409, 413, 422))
async def bring(upload_id: UploadId, request: Request, key: Writing, door: At) -> File:
    """Bring its bytes through this server. What the file is, is read from them."""
    leave = await run_in_threadpool(door.uploads.find, key.principal, upload_id)
    if door.receiving.locked():
        raise LimitReached("many files are being uploaded", hint="try again in a minute")
    most = door.uploads.limit_mb(leave.role)
    async with door.receiving, received(request, door.queue.settings.data_dir, leave.name, most) as path:
        asset = await run_in_threadpool(door.uploads.take, key.principal, leave, path)
    return file_shown(asset)


@routes.post("/uploads/{upload_id}/complete", status_code=201, responses=described(409, 413, 422))
def complete(upload_id: UploadId, key: Writing, door: At) -> File:
    """Say that all bytes have arrived at the store: the file is checked, and may be used from then on."""
    return file_shown(door.uploads.complete(key.principal, door.uploads.find(key.principal, upload_id)))


@routes.post("/estimate", responses=described(400, 422))
def estimate(wanted: EstimateWanted, key: Reading, door: At) -> Estimate:
    """Predict seconds and dollars of a job, by segment and in all, before anything runs."""
    registry.find(wanted.engine)
    asset = door.orders.asset(wanted.source, wanted.project, key.principal)
    return estimated(asset, wanted.plan, wanted.engine, door.queue.settings)


@routes.get("/engines", responses=described())
def engines(key: Reading, door: At) -> list[Engine]:
    """The catalogue: what each engine replaces, needs and is licensed under."""
    settings = door.queue.settings
    return [Engine(info=e.info, availability=registry.availability(e, settings)) for e in registry.catalogue()]
