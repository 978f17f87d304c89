"""Whose key it is, and the deletion of all that was ever kept of somebody."""

from typing import Annotated

from fastapi import APIRouter, Path

from ugclab.entrypoints.server.callers import AnyKey, Writing
from ugclab.entrypoints.server.door import described
from ugclab.entrypoints.server.job_routes import At
from ugclab.entrypoints.server.shapes import Me
from ugclab.schema.job import Name

routes = APIRouter(prefix="/v1", tags=["owner"])


@routes.get("/me", responses=described())
def me(key: AnyKey, door: At) -> Me:
    """Say whose key it is, what it may, and how much."""
    settings = door.queue.settings
    return Me(
        key_id=key.key_id,
        user=key.user,
        trust=key.trust,
        scopes=key.scopes,
        max_active_jobs=key.max_active_jobs or settings.max_active_jobs,
        max_minutes_per_day=key.max_minutes_per_day or settings.max_minutes_per_day,
        requests_per_minute=key.requests_per_minute or settings.requests_per_minute,
        expires_at=key.expires_at,
    )


@routes.delete("/me", status_code=204, responses=described())
def delete_me(key: Writing, door: At) -> None:
    """Delete the key's user: every project with its jobs, files, results and records. The key stays valid."""
    door.queue.delete_user(key.user, key.principal)


@routes.delete("/projects/{project}", status_code=204, responses=described(422))
def delete_project(project: Annotated[Name, Path()], key: Writing, door: At) -> None:
    """Delete a project with all that was ever kept of it; one that is not there is no error."""
    door.queue.delete_project(key.user, project, key.principal)
