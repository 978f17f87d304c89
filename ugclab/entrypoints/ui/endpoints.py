"""The desk for programs: named Gradio endpoints, which are MCP tools as well.

Everything happens as whoever asks (identity.py) and by the same functions as the page. Their docstrings are the
documentation that both kinds of clients show. Nothing Gradio holds is ever given out, and what it took in for us is
removed once the desk has it. Unlike its components, such endpoints get an address as it was written: it is fetched by
the guarded client when the job begins, never by Gradio.
"""

import json
import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, cast

from ugclab import sample
from ugclab.engines import registry
from ugclab.entrypoints.ui.desk import PROJECT, Desk, Draft, Role, chosen_face
from ugclab.entrypoints.ui.identity import Caller
from ugclab.entrypoints.ui.job_desk import JobDesk
from ugclab.errors import InputError, UgclabError
from ugclab.schema.job import Consent, EyewearMode, FaceTransformInput, JobState, Principal, Request, SwapOptions
from ugclab.schema.media import Asset

_LOG = logging.getLogger(__name__)
_SAMPLE = "sample"


class Programs:
    """What the endpoints do, without Gradio. `uploads` is the folder in which Gradio puts what it is sent."""

    def __init__(self, desk: Desk, jobs: JobDesk, uploads: Path) -> None:
        self._desk = desk
        self._jobs = jobs
        self._uploads = uploads

    def submit(self, principal: Principal, given: Mapping[str, Any]) -> dict[str, Any]:
        """Put a job in line. Raises InputError and its kin, LimitReached."""
        consent = Consent.parse(given["consent"])
        options = SwapOptions(
            face=chosen_face(given["face"]), eyewear=EyewearMode(given["eyewear"]), watermark=given["watermark"][:80]
        )
        registry.require(registry.find(given["engine"]), self._desk.queue.settings)
        request = Request(
            input=FaceTransformInput(
                source=self._brought(principal, given["source"], "source"),
                avatar=self._brought(principal, given["avatar"], "avatar"),
                plan=given["plan"][:10_000],
            ),
            principal=principal,
            project=PROJECT,
            engine=given["engine"],
            options=options,
            consent=consent,
            max_cost_usd=given["max_cost_usd"] or None,
        )
        job = self._desk.queue.submit(request)
        return {"job_id": job.job_id, "status": job.status.value}

    def estimate(self, principal: Principal, source: object, plan: str, engine: str) -> dict[str, Any]:
        """Seconds and dollars on this machine, before anything runs."""
        found = self._brought(principal, source, "source")
        if not isinstance(found, Asset):
            raise InputError(
                "footage behind an address is not here yet", hint="send the file, or ask with the sample, 'sample'"
            )
        draft = Draft(source=found.sha256, avatar=found.sha256, plan=plan[:10_000], engine=engine[:64])
        registry.find(draft.engine)
        return {"source": found.sha256} | self._desk.estimate(principal, draft)

    def status(self, principal: Principal, job_id: str) -> dict[str, Any]:
        """How far a job is."""
        job = self._desk.queue.get(job_id[:64], principal)
        progress = job.progress
        return {
            "job_id": job.job_id,
            "status": job.status.value,
            "ended": job.status.terminal,
            "percent": 100.0 if job.status is JobState.SUCCEEDED else progress.percent,
            "stage": progress.stage,
            "segment": progress.segment,
            "frames_per_s": progress.frames_per_s,
            "eta_s": None if job.status.terminal else progress.eta_s,
            "engine": job.engine,
            "plan": job.plan,
            "cost_usd": job.cost_usd,
            "warnings": list(job.warnings),
            "error": job.error.model_dump(mode="json") if job.error else None,
        }

    def result(self, principal: Principal, job_id: str, root: str) -> dict[str, Any]:
        """What a job made: an address for the video, and what the report says. Raises JobConflict before its end."""
        asset = self._jobs.result(principal, job_id[:64])
        link = self._jobs.link(principal, job_id[:64])
        report = self._jobs.report(principal, job_id[:64])
        return {
            "job_id": report.job_id,
            "video_url": link["url"] or (f"{root.rstrip('/')}{link['path']}" if link["path"] else ""),
            "size_bytes": asset.size_bytes,
            "sha256": asset.sha256,
            "seconds": report.seconds,
            "cost_usd": report.cost_usd,
            "exact_frames_share": report.exact_frames_share,
            "disclosure": report.disclosure,
            "engine": report.engine.model_dump(mode="json"),
            "plan": str(report.plan),
            "measurements": [m.model_dump(mode="json") for m in report.measurements],
            "warnings": list(report.warnings),
        }

    def cancel(self, principal: Principal, job_id: str) -> dict[str, Any]:
        """Stop a job; what was finished of it is kept for a retry."""
        self._desk.queue.cancel(job_id[:64], principal)
        return self.status(principal, job_id)

    def _brought(self, principal: Principal, value: object, role: Role) -> Asset | str:
        """A file that was sent, something brought before, the sample, or an address to be fetched later."""
        if isinstance(value, Mapping):
            place = str(value.get("path") or "")
            if not place.startswith(("http://", "https://")):
                return self._sent(principal, place, str(value.get("orig_name") or ""), role)
            value = place
        text = str(value or "").strip()[:2000]
        if not text:
            raise InputError(f"there is no {role}", hint="send a file, or give an https:// address or 'sample'")
        if text == _SAMPLE:
            path = sample.CLIP if role == "source" else sample.AVATAR
            return self._desk.input(principal, self._desk.take(principal, path, role)["id"])
        if len(text) == 64 and text.isalnum():
            return self._desk.input(principal, text)
        if "://" not in text:
            raise InputError(
                "a path of the server is not let in", hint="send the file (handle_file), or give an https:// address"
            )
        return text

    def _sent(self, principal: Principal, place: str, name: str, role: Role) -> Asset:
        """Take in what Gradio has received, and remove its copy. Raises InputError for any other file."""
        path = Path(place).resolve() if place and "\0" not in place else Path("/")
        if not path.is_relative_to(self._uploads.resolve()) or not path.is_file():
            raise InputError("that file was not sent", hint="send it again (handle_file)")
        try:
            return self._desk.input(principal, self._desk.take(principal, path, role)["id"])
        finally:
            with suppress(OSError):
                path.unlink()
                path.parent.rmdir()


def add_endpoints(desk: Desk, jobs: JobDesk, uploads: Path) -> None:
    """Add the endpoints to the Gradio blocks that are being built."""
    import gradio as gr
    from gradio.data_classes import FileData

    programs = Programs(desk, jobs, uploads)

    def submit(
        source: FileData | str,
        avatar: FileData | str,
        request: gr.Request,
        consent: str = "",
        plan: str = "default",
        engine: str = "mesh",
        face: str = "largest",
        eyewear: Literal["keep", "cover"] = "keep",
        watermark: str = "",
        max_cost_usd: float = 0.0,
    ) -> dict[str, Any]:
        """Put a video in line to have a face put into some of its segments. Returns at once; ask `status` then.

        Args:
            source: The footage: a video file, an https:// address, or the word sample.
            avatar: A photo of the face to put in: a picture, an https:// address, or the word sample.
            consent: Who agreed to the use of the face, and when, as "NAME, 2026-11-20"; or own-face, or public-domain.
            plan: Which seconds are swapped, as 0-5:swap,5-15:keep,15-end:swap; or default, all, faces.
            engine: The name of an engine, as mesh.
            face: Which face of the footage is replaced: largest, left, right, all, or index:N from the left.
            eyewear: Whether glasses in the footage are kept on, or covered by the face.
            watermark: Text written into swapped frames; empty for none.
            max_cost_usd: What is predicted to cost more dollars is refused; 0 for no limit.

        Returns:
            job_id and status.
        """
        given = {
            "source": _plain(source),
            "avatar": _plain(avatar),
            "consent": consent,
            "plan": plan,
            "engine": engine,
            "face": face,
            "eyewear": eyewear,
            "watermark": watermark,
            "max_cost_usd": max_cost_usd,
        }
        return told(request, lambda: programs.submit(_principal(request), given))

    def status(job_id: str, request: gr.Request) -> dict[str, Any]:
        """Say how far a job is: queued, running, succeeded, failed or cancelled, with percent, stage and seconds left.

        Args:
            job_id: What submit returned.

        Returns:
            status, ended, percent, stage, segment, eta_s, cost_usd, warnings; and error, with message and hint.
        """
        return told(request, lambda: programs.status(_principal(request), job_id))

    def result(job_id: str, request: gr.Request) -> dict[str, Any]:
        """Give the result of a job that succeeded: an address to load the video from, and the report of what it took.

        Args:
            job_id: What submit returned.

        Returns:
            video_url (whoever has it can load the video), size_bytes, sha256, seconds, cost_usd, exact_frames_share,
            measurements and warnings.
        """
        return told(request, lambda: programs.result(_principal(request), job_id, _root(request)))

    def estimate(
        request: gr.Request, source: FileData | str = "sample", plan: str = "default", engine: str = "mesh"
    ) -> dict[str, Any]:
        """Predict seconds and dollars of a swap on this machine, by segment and in all, before anything runs.

        Args:
            source: The footage: a video file, an id that estimate returned before, or the word sample.
            plan: Which seconds are swapped, as 0-5:swap,5-15:keep,15-end:swap; or default, all, faces.
            engine: The name of an engine, as mesh.

        Returns:
            source (an id that submit takes, too), seconds, usd (null where there is no price), segments, warnings.
        """
        return told(request, lambda: programs.estimate(_principal(request), _plain(source), plan, engine))

    def cancel(job_id: str, request: gr.Request) -> dict[str, Any]:
        """Stop a job that is queued or running. What was finished of it is kept, should it be tried again.

        Args:
            job_id: What submit returned.

        Returns:
            The same as status.
        """
        return told(request, lambda: programs.cancel(_principal(request), job_id))

    def told(request: Any, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Do it; what goes wrong is said in a sentence, a fault of ours by a number alone."""
        try:
            answer = work()
            # an MCP tool gets the server's own request, and Gradio writes `str` of the answer: not JSON, of a dict
            if isinstance(request, gr.Request):
                return answer
            return cast(dict[str, Any], json.dumps(answer, ensure_ascii=False))
        except UgclabError as error:
            sentences = [text[:1].upper() + text[1:] for text in (error.message, error.hint) if text]
            raise gr.Error(". ".join(sentences) + ".", print_exception=False) from None
        except ValueError as error:
            _LOG.info("a program gave what is no value: %s", error)
            raise gr.Error("a value is not of its kind. See the description.", print_exception=False) from None
        except Exception:
            number = secrets.token_hex(4)
            _LOG.exception("fault %s at an endpoint", number)
            said = f"something went wrong on our side. Tell who runs this workbench the number {number}."
            raise gr.Error(said, print_exception=False) from None

    for endpoint in (submit, status, result, estimate, cancel):
        # not queued by Gradio: all of them answer at once, and the durable queue is the one that counts
        gr.api(endpoint, api_name=endpoint.__name__, queue=False)
    for function in gr.context.Context.root_block.fns.values():
        for component in function.inputs:
            component.async_move_resource_to_block_cache = _as_it_is


async def _as_it_is(place: str | None) -> str | None:
    """Leave a place that a caller names alone.

    Gradio would copy it into its cache before we are asked: a file of this machine, of which a mounted app does not
    check that it was sent, or what an address gives, of any size. `Programs` takes what lies among uploads, no more.
    """
    return place


def _plain(value: Any) -> Any:
    """A file as the mapping it came as, whatever Gradio made of it."""
    return value.model_dump() if hasattr(value, "model_dump") else value


def _caller(request: Any) -> Caller:
    """Who asks: the middleware has found out. Gradio hands over its own request, or the server's."""
    caller: Caller = getattr(request, "request", request).state.caller
    return caller


def _principal(request: Any) -> Principal:
    return _caller(request).principal


def _root(request: Any) -> str:
    """The address that this page was asked at."""
    return str(getattr(request, "request", request).base_url)
