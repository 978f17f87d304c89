"""An order at another machine: found or placed, followed to its end, cancelled where nobody wants it any more."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from ugclab.engines.base import Monitor
from ugclab.errors import Cancelled, NetworkError, StageTimeout, UgclabError
from ugclab.schema.contract import OrderInput, OrderOutput

GLANCE_S = 0.2
"""Between two looks at whether the work was cancelled, and two signs of life."""
FIRST_S, LONGEST_S = 0.25, 2.0
"""Between two questions where an order stands: half as long again each time."""
PATIENCE_S = 15.0
"""With a machine that does not answer: then the step fails for now, and the job tries it again."""
CANCEL_S = 4.0
"""What taking an order back may take."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an order is. `absent` is one that was never placed: `ref` is then the name it will have."""

    ref: str
    state: Literal["absent", "open", "done", "failed"]
    share: float = 0.0
    """Done of the whole, 0 to 1."""
    output: OrderOutput | None = None
    error: UgclabError | None = None
    seconds: float = 0.0
    """That it took there, where the machine counts them itself."""


class Machine(Protocol):
    """Who takes orders. Every method raises NetworkError where it may work later, EngineUnavailable where not."""

    def find(self, identity: str) -> Standing:
        """The order of an earlier attempt that is open or done; else one that is absent."""

    def place(self, identity: str, ref: str, asked: OrderInput) -> Standing:
        """Place it. Raises what the machine says is wrong with it."""

    def look(self, ref: str) -> Standing | None:
        """Where it stands; None where nobody knows it."""

    def cancel(self, ref: str, timeout_s: float) -> None:
        """Have it stopped."""

    def forget(self, identity: str) -> None:
        """Its result was taken, or it has failed: what was written down of it is not needed any more."""


def follow(
    machine: Machine,
    standing: Standing,
    monitor: Monitor,
    told: Callable[[float], None],
    *,
    timeout_s: float,
) -> Standing:
    """Wait until an order is done or has failed; `told` is given its share again and again, as a sign of life.

    Raises Cancelled and StageTimeout after the order was taken back, and NetworkError where the machine falls silent:
    the order goes on, and is found again.
    """
    begun = heard = time.monotonic()
    wait = FIRST_S
    while standing.state == "open":
        try:
            _pause(wait, standing.share, monitor, told)
        except Cancelled:
            take_back(machine, standing.ref)
            raise
        wait = min(wait * 1.5, LONGEST_S)
        now = time.monotonic()
        if now - begun > timeout_s:
            take_back(machine, standing.ref)
            raise StageTimeout(
                f"the other machine took longer than {timeout_s:.0f} s",
                hint="raise UGCLAB_REMOTE_TIMEOUT_S, or swap shorter segments",
            )
        try:
            seen = machine.look(standing.ref)
        except NetworkError:
            if time.monotonic() - heard > PATIENCE_S:
                raise
            continue
        heard = time.monotonic()
        if seen is None:
            raise NetworkError("the other machine knows nothing of the order any more", hint="it is sent again")
        standing = seen
    return standing


def take_back(machine: Machine, ref: str) -> None:
    """Cancel an order, in a few seconds or not at all: who cancels does not wait for a machine that is away."""
    end = time.monotonic() + CANCEL_S
    while (left := end - time.monotonic()) > 0.1:
        try:
            machine.cancel(ref, min(left, CANCEL_S / 2))
            return
        except NetworkError:
            time.sleep(min(GLANCE_S, max(0.0, end - time.monotonic())))
        except UgclabError:
            return  # it has ended


def _pause(seconds: float, share: float, monitor: Monitor, told: Callable[[float], None]) -> None:
    """Wait, with signs of life. Raises Cancelled."""
    until = time.monotonic() + seconds
    while True:
        told(share)
        if monitor.cancelled():
            raise Cancelled("cancelled")
        left = until - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, GLANCE_S))
