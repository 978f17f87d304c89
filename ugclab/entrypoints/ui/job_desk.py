"""What a person can do with jobs: see them run, take the result, stop, retry and delete them.

Plain functions of a principal; job_routes.py puts them on the wire. What a browser is told names no place in the store
or on a machine; somebody else's job is as good as none.
"""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ugclab.entrypoints.recipe import name_of, python_call, shell_line
from ugclab.errors import JobConflict, JobNotFound
from ugclab.jobs.queue import Queue
from ugclab.schema.job import JobState, JobView, Principal
from ugclab.schema.look import ProofSeen, Seen
from ugclab.schema.media import Asset
from ugclab.schema.plan import Action
from ugclab.schema.report import Report
from ugclab.storage import paths

_SHOWN = 50
"""Jobs on one page, the newest; older ones have gone by their retention, or soon will."""

Side = Literal["source", "avatar"]
_FILM = re.compile(r"[0-9a-f]{64}/[a-z]+\.mp4")


class JobDesk:
    """The page's view of the queue."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    # see

    def jobs(self, principal: Principal) -> dict[str, Any]:
        """The principal's own jobs, the newest first, and what time it is here."""
        found = self._queue.list(principal, limit=_SHOWN)
        return {"now": _now(), "jobs": [self._row(job) for job in found]}

    def job(self, principal: Principal, job_id: str) -> dict[str, Any]:
        """All that is known of one job so far, but for its report."""
        job = self._queue.get(job_id, principal)
        request = self._queue.request(job_id, principal)
        source = request.input.source
        info = source.info if isinstance(source, Asset) else None
        options = request.options
        return self._row(job) | {
            "now": _now(),
            "plan": job.plan,
            "shell": shell_line(request),
            "python": python_call(request),
            "events": [e.model_dump(mode="json") for e in self._queue.events(job_id, principal)],
            "options": {"face": options.face.kind, "eyewear": options.eyewear.value, "watermark": options.watermark},
            "media": info
            and {
                "width": info.width,
                "height": info.height,
                "frames": info.frames,
                "rate": [info.frame_rate.numerator, info.frame_rate.denominator],
                "duration": float(info.duration),
                "codec": info.video_codec,
            },
        }

    def _row(self, job: JobView) -> dict[str, Any]:
        progress, error = job.progress, job.error
        return {
            "id": job.job_id,
            "status": job.status.value,
            "live": not job.status.terminal,
            "name": Path(job.source).name,
            "avatar": Path(job.avatar).name,
            "engine": job.engine,
            "created_at": job.created_at,
            "started_at": job.started_at,
            "ended_at": job.ended_at,
            "attempt": job.attempt,
            "recoveries": job.recoveries,
            "percent": progress.percent,
            "stage": progress.stage,
            "segment": progress.segment,
            "share": progress.share,
            "frames_per_s": progress.frames_per_s,
            "eta_s": progress.eta_s if not job.status.terminal else None,
            "segments": [
                {
                    "start": float(s.segment.range.start),
                    "end": float(s.segment.range.end),
                    "swap": s.segment.action is Action.SWAP,
                    "done": s.done,
                }
                for s in job.segments
            ],
            "cost_usd": job.cost_usd,
            "usd_per_hour": self._queue.settings.usd_per_hour,
            "size_bytes": job.output.size_bytes if job.output else 0,
            "warnings": list(job.warnings),
            "error": error.model_dump(mode="json") if error else None,
            "may_retry": job.status in (JobState.FAILED, JobState.CANCELLED),
        }

    def report(self, principal: Principal, job_id: str) -> Report:
        """The report of a job that succeeded. Raises JobNotFound, JobConflict."""
        try:
            return self._queue.report(job_id, principal)
        except KeyError as error:
            raise JobNotFound("the report is no longer here", hint="it was deleted") from error

    # bytes

    def result(self, principal: Principal, job_id: str) -> Asset:
        """What a job made. Raises JobNotFound, JobConflict."""
        job = self._queue.get(job_id, principal)
        if job.output is None:
            raise JobConflict(f"job {job_id} has no result: it is {job.status}", hint="wait for it, or retry it")
        return job.output

    def given(self, principal: Principal, job_id: str, side: Side) -> Asset:
        """What a job was given. Raises JobNotFound; JobConflict while it has not been fetched."""
        value = getattr(self._queue.request(job_id, principal).input, side)
        if not isinstance(value, Asset):
            raise JobConflict(f"{name_of(value)} is not here yet", hint="it is fetched when the job begins")
        return value

    def sheet(self, principal: Principal, job_id: str) -> str:
        """Key of the contact sheet of a job that succeeded. Raises JobNotFound, JobConflict."""
        self.result(principal, job_id)
        job = self._queue.get(job_id, principal)
        return paths.contact_sheet(job.user, job.project, job_id)

    # proofs

    def ask_proof(self, principal: Principal, job_id: str) -> dict[str, Any]:
        """Have source and result made into films that every browser plays: they, or the `look` that is waited for.

        Raises JobNotFound, JobConflict, QueueUnavailable.
        """
        look_id = self._queue.proof(principal, job_id)
        found = self._queue.looks.answer(look_id, principal) if look_id.startswith("seen/") else None
        job = self._queue.get(job_id, principal)
        return self._films(job, found) or {"look": look_id.removeprefix(_looks_of(job))}

    def proof(self, principal: Principal, job_id: str, look: str) -> dict[str, Any] | None:
        """The films, once they are made. Raises what went wrong."""
        job = self._queue.get(job_id, principal)
        return self._films(job, self._queue.looks.answer(f"{_looks_of(job)}{look}", principal))

    def film(self, principal: Principal, job_id: str, name: str) -> str:
        """Key of a film, by its name of `proof`. Raises JobNotFound."""
        job = self._queue.get(job_id, principal)
        if not _FILM.fullmatch(name):
            raise JobNotFound("there is no such film", hint="reload the page")
        return f"{paths.looks_of_job(job.user, job.project, job_id)}/{name}"

    def _films(self, job: JobView, found: Seen | None) -> dict[str, Any] | None:
        if not isinstance(found, ProofSeen):
            return None
        folder = f"{paths.looks_of_job(job.user, job.project, job.job_id)}/"
        address = {
            side: f"/desk/jobs/{job.job_id}/proof/{key.removeprefix(folder)}"
            for side, key in (("before", found.before), ("after", found.after))
        }
        return address | {
            "width": found.width,
            "height": found.height,
            "frames": found.frames,
            "rate": float(found.frame_rate),
            "duration": float(found.duration),
        }

    # links

    def behind(self, token: str) -> Asset:
        """What somebody is given who has the link. Raises JobNotFound."""
        return self._queue.links.resolve(token)

    def link(self, principal: Principal, job_id: str) -> dict[str, str]:
        """The stable link to the result, as a path here and as an address where the operator set one up; or neither."""
        self.result(principal, job_id)
        token = self._queue.links.token(job_id)
        public = self._queue.settings.public_url.rstrip("/")
        path = f"/r/{token}" if token else ""
        return {"path": path, "url": f"{public}{path}" if public and path else ""}

    def renew_link(self, principal: Principal, job_id: str) -> dict[str, str]:
        """A new link; one that was given out before leads nowhere then."""
        self.result(principal, job_id)
        self._queue.links.renew(job_id)
        return self.link(principal, job_id)

    def revoke_link(self, principal: Principal, job_id: str) -> dict[str, str]:
        """No link any more; the result stays."""
        self.result(principal, job_id)
        self._queue.links.revoke(job_id)
        return self.link(principal, job_id)

    # change

    def cancel(self, principal: Principal, job_id: str) -> dict[str, Any]:
        """Stop a job. Raises JobNotFound, JobConflict."""
        return self._row(self._queue.cancel(job_id, principal))

    def retry(self, principal: Principal, job_id: str) -> dict[str, Any]:
        """Go on from the stage that failed. Raises JobNotFound, JobConflict, LimitReached."""
        return self._row(self._queue.retry(job_id, principal))

    def delete(self, principal: Principal, job_id: str) -> None:
        """Delete a job with its result. Raises JobNotFound."""
        self._queue.delete(job_id, principal)


def _looks_of(job: JobView) -> str:
    """What the ids of looks at a job's project begin with: nothing that a browser has to know."""
    return f"look/{job.user}/{job.project}/"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
