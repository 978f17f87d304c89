"""One segment's way to another machine and back: its files there, the order, the result here, the bill."""

from pathlib import Path
from typing import Any

from ugclab.engines.base import Elsewhere, SegmentContext
from ugclab.engines.remote.carrying import ByStore, ByUpload, Carrier
from ugclab.engines.remote.clip import MADE_CRF
from ugclab.engines.remote.endpoint import Endpoint
from ugclab.engines.remote.orders import Machine, Standing, follow, take_back
from ugclab.engines.remote.place import line_to
from ugclab.engines.remote.worker import Worker
from ugclab.errors import EngineError, IntakeError, NetworkError, StoreError, UgclabError
from ugclab.schema.contract import OrderInput, OrderOutput, Role
from ugclab.schema.job import SwapOptions
from ugclab.settings import Settings
from ugclab.storage.opening import open_store

FOLDER = "metadata/remote"
"""Of a project, in the store: what other machines are given to read, and which orders are theirs."""
SENT, DONE, FETCHED = 0.1, 0.9, 1.0
"""Shares of a segment's work; writing its file is the first twentieth."""


def options_there(options: SwapOptions) -> SwapOptions:
    """What is asked for of another machine: this one stitches, marks and judges the whole itself."""
    face = options.face.model_copy(update={"photo": ""})
    return SwapOptions(
        face=face, eyewear=options.eyewear, replace=options.replace, seed=options.seed, crf=MADE_CRF, min_swapped=0.0
    )


class Errand:
    """Made for a segment, run once."""

    def __init__(self, settings: Settings, segment: SegmentContext, identity: str) -> None:
        """Nothing is asked yet. Raises EngineUnavailable for settings that cannot work."""
        self._settings, self._segment, self._identity = settings, segment, identity
        self._line = line_to(settings)
        folder = f"{segment.scope}/{FOLDER}"
        store = open_store(settings)
        self._carrier: Carrier = (
            ByStore(store, f"{folder}/{identity}", settings.remote_timeout_s)
            if settings.s3_bucket and settings.s3_direct
            else ByUpload(self._line, settings.remote_timeout_s)
        )
        self._machine: Machine = (
            Endpoint(self._line, store, folder, settings.remote_timeout_s)
            if settings.remote_kind == "runpod"
            else Worker(self._line)
        )
        self._ref = ""

    def run(self, clip: Path, avatar: Path, to: Path) -> Path:
        """Have the segment swapped; its file is then at `to`. Raises as other engines do.

        An order that an earlier attempt has placed is taken up, whether it is still open or done.
        """
        try:
            return self._run(clip, avatar, to)
        except BaseException as error:
            if not isinstance(error, UgclabError) or not error.passing:  # else an order goes on: what it needs stays
                self._give_up()
            raise

    def _run(self, clip: Path, avatar: Path, to: Path) -> Path:
        standing = self._machine.find(self._identity)
        if standing.state == "absent":
            asked = self._order(clip, avatar)
            standing = self._machine.place(self._identity, standing.ref, asked)
        self._ref = standing.ref
        standing = follow(
            self._machine,
            standing,
            self._segment.monitor,
            lambda share: self._tell(SENT + (DONE - SENT) * share),
            timeout_s=self._settings.remote_timeout_s,
        )
        if standing.error is not None or standing.output is None:
            self._give_up()
            raise standing.error or EngineError("the other machine names no result")
        self._carrier.clear()
        self._fetch(standing.output, to)
        self._segment.tell(self._bill(standing, standing.output))
        return to

    def refuse(self) -> None:
        """The result is of no use: it must not be found again."""
        take_back(self._machine, self._ref)
        self._machine.forget(self._identity)

    def end(self) -> None:
        """The result is taken over."""
        self._machine.forget(self._identity)

    def _give_up(self) -> None:
        try:
            self._carrier.clear()
            self._machine.forget(self._identity)
        except StoreError:
            pass  # it goes with the project: what went wrong before is what has to be told

    def _order(self, clip: Path, avatar: Path) -> OrderInput:
        options, settings = self._segment.options, self._settings
        photo = options.face.photo
        return OrderInput(
            source_video_url=self._bring("source", clip, 0.05, SENT),
            avatar_image_url=self._bring("avatar", avatar, SENT, SENT),
            photo_url=self._bring("photo", Path(photo), SENT, SENT) if photo else None,
            plan="all",
            engine=settings.remote_engine,
            options=options_there(options),
            record_id=self._identity,
            consent=settings.remote_consent,
        )

    def _bring(self, role: Role, path: Path, first: float, last: float) -> str:
        def told(done: int, total: int) -> None:
            self._tell(first + (last - first) * done / max(total, 1))

        self._segment.monitor.step(round(1000 * first), 1000)
        return self._carrier.bring(role, path, told, self._segment.monitor.cancelled)

    def _tell(self, share: float) -> None:
        self._segment.monitor.report(round(1000 * share), 1000)

    def _fetch(self, output: OrderOutput, to: Path) -> None:
        """Download the result: with our key from that machine alone, and never what is not the promised bytes."""
        if not output.video_url:
            raise EngineError(
                "the other machine is done, and gives no address for its result",
                hint="set UGCLAB_PUBLIC_URL or an S3 bucket there",
            )
        url = self._line.absolute(output.video_url)

        def told(done: int, total: int) -> None:
            self._tell(DONE + (FETCHED - DONE) * done / max(total, done, 1))

        try:
            got = self._line.client.download(
                url,
                to,
                max_bytes=self._settings.max_source_mb << 20,
                deadline_s=self._settings.remote_timeout_s,
                headers=self._line.secrets_for(url),
                on_progress=told,
                cancelled=self._segment.monitor.cancelled,
            )
        except IntakeError as error:
            raise EngineError(f"the other machine's result: {error.message}", hint=error.hint) from error
        if (got.sha256, got.size_bytes) != (output.sha256, output.size_bytes):
            raise NetworkError(
                f"what arrived of the result is not what the other machine has made: {got.size_bytes} bytes of "
                f"{output.size_bytes}, sha256 {got.sha256[:12]}… for {output.sha256[:12]}…",
                hint="it is fetched again",
            )

    def _bill(self, standing: Standing, output: OrderOutput) -> Elsewhere:
        """What it says it cost; by the hour where it names no price."""
        seconds = standing.seconds or output.seconds
        told = _engine_of(output.summary)
        return Elsewhere(
            engine=told.get("name") or self._settings.remote_engine,
            engine_version=told.get("version", ""),
            model_version=told.get("model_version", ""),
            cost_usd=output.cost_usd or seconds * self._settings.remote_usd_per_hour / 3600,
            warnings=tuple(f"at the other machine: {warning}" for warning in output.warnings),
        )


def _engine_of(summary: dict[str, Any]) -> dict[str, str]:
    """Which engine a summary names: as a card, or in fields of their own."""
    card = summary.get("engine")
    if not isinstance(card, dict):
        names = {"name": "engine", "version": "engine_version", "model_version": "model_version"}
        card = {ours: summary.get(theirs) for ours, theirs in names.items()}
    return {name: value for name, value in card.items() if isinstance(value, str)}
