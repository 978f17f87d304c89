"""How far a segment is, told by two who work on it: the engine, and the encoder behind it."""

from collections.abc import Callable


class Relay:
    """Tells of a segment by what comes out of it, and until then by what the engine says of itself.

    An engine that makes whole clips works for minutes before its first frame: a silent one would count as hung.
    """

    _SHARE = 0.95  # of the work, that is done when the first frame comes

    def __init__(self, report: Callable[[int, int], None]) -> None:
        self._report = report
        self._said = 0.0
        self._coming = False

    def engine(self, done: int, total: int) -> None:
        """What the engine says of itself."""
        if not self._coming and total:
            self._said = max(self._said, self._SHARE * min(done / total, 1.0))
            self._report(round(1000 * self._said), 1000)

    def encoder(self, done: int, total: int) -> None:
        """Frames that came out, of all."""
        self._coming = True
        self._report(max(done, round(self._said * total)), total)
