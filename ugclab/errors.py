"""Everything this package raises on purpose, as one tree.

    UgclabError                 exit  code
    ├── InputError               10   input            what was asked for cannot be done
    │   ├── MediaError           11   media            a source that is missing, empty, truncated or not a video
    │   ├── PlanError            12   plan             overlap, gap, or a range beyond the end
    │   ├── AvatarError          13   avatar           no face, several faces, too small, too blurred
    │   ├── ConsentError         14   consent          nobody agreed to the use of the face
    │   └── IntakeError          15   intake           an address, an upload or a path that is not let in
    ├── FaceError                20   face
    │   ├── FaceNotFound         21   face_not_found   a swap segment shows no face, or too rarely
    │   └── FaceAmbiguous        22   face_ambiguous   several faces fit what was asked for
    ├── EngineError              30   engine           an engine failed while working
    │   ├── EngineNotFound       31   engine_not_found
    │   ├── EngineUnavailable    32   engine_unavailable   it exists, but something it needs does not
    │   ├── EngineCrashed        33   engine_crashed   *   its process died, or said nothing for too long
    │   └── StageTimeout         34   timeout          a stage took longer than the operator allows
    ├── WeightsError             40   weights          a model file that cannot be had
    │   ├── WeightsCorrupt       41   weights_corrupt  a model file with the wrong size or hash
    │   └── LicenceNotAccepted   42   licence          a model file whose terms nobody accepted
    ├── OutputError              50   output           the result cannot be written there
    │   └── DiskFull             51   disk_full
    ├── NetworkError             60   network          *   an address that does not answer, or answers 5xx
    ├── StoreError               61   store            a bucket or credentials that are wrong
    │   ├── StoreUnavailable     62   store_unavailable    *   the store does not answer, or refuses for now
    │   └── StoreCorrupt         63   store_corrupt    an object whose bytes are not those that were put there
    ├── QueueError               70   queue            what was asked of a job cannot be done
    │   ├── JobNotFound          71   job_not_found
    │   ├── JobConflict          72   job_conflict     the job is in a state that does not allow it
    │   ├── LimitReached         73   limit            one user's jobs, or minutes of video, are used up
    │   ├── QueueUnavailable     74   queue_unavailable    *   the database does not answer
    │   └── JobPoisoned          75   poison           its worker died again and again
    ├── Regression               80   regression       a build is slower than the one it is compared with
    └── Cancelled               130   cancelled        by Ctrl-C, or by whoever asked for the work

Those with a star may pass: a job tries again by itself (`passing`). A message says what is wrong, a hint says what to
do. Exit code 1 is a fault of ours, 2 is wrong usage of the command line.
"""

from typing import ClassVar


class UgclabError(Exception):
    """Base of all errors raised on purpose: one line for a person, a code for a program."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    passing: ClassVar[bool] = False
    """Whether the same may work a moment later, so that a job tries again by itself."""

    def __init__(self, message: str, *, hint: str = "", segment: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.segment = segment
        """Of the plan, where the error is about one."""

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


class InputError(UgclabError):
    """What was asked for cannot be done with what was given."""

    code = "input"
    exit_code = 10


class MediaError(InputError):
    """A source that is missing, empty, truncated, or not a video."""

    code = "media"
    exit_code = 11


class PlanError(InputError):
    """A plan that overlaps, leaves a gap, or asks for time the footage does not have."""

    code = "plan"
    exit_code = 12


class AvatarError(InputError):
    """An avatar picture without a usable face."""

    code = "avatar"
    exit_code = 13


class ConsentError(InputError):
    """Nobody is named who agreed to the use of the face."""

    code = "consent"
    exit_code = 14


class IntakeError(InputError):
    """An address, an upload or a path that is not let in."""

    code = "intake"
    exit_code = 15


class FaceError(UgclabError):
    """The footage does not show the face that was asked for. Never retried automatically."""

    code = "face"
    exit_code = 20


class FaceNotFound(FaceError):
    """A swap segment shows no face, or shows it in too few of its frames."""

    code = "face_not_found"
    exit_code = 21


class FaceAmbiguous(FaceError):
    """Several faces fit what was asked for."""

    code = "face_ambiguous"
    exit_code = 22


class EngineError(UgclabError):
    """An engine failed while working."""

    code = "engine"
    exit_code = 30


class EngineNotFound(EngineError):
    """No engine has that name."""

    code = "engine_not_found"
    exit_code = 31


class EngineUnavailable(EngineError):
    """The engine exists, but something it needs is not here."""

    code = "engine_unavailable"
    exit_code = 32


class EngineCrashed(EngineError):
    """The process of an engine died, or said nothing for too long."""

    code = "engine_crashed"
    exit_code = 33
    passing = True


class StageTimeout(EngineError):
    """A stage took longer than the operator allows."""

    code = "timeout"
    exit_code = 34


class WeightsError(UgclabError):
    """A model file that cannot be had."""

    code = "weights"
    exit_code = 40


class WeightsCorrupt(WeightsError):
    """A model file whose size or hash is not the catalogue's."""

    code = "weights_corrupt"
    exit_code = 41


class LicenceNotAccepted(WeightsError):
    """A model file is only fetched once somebody accepts its licence, and nobody did."""

    code = "licence"
    exit_code = 42


class OutputError(UgclabError):
    """The result cannot be written where it was asked for."""

    code = "output"
    exit_code = 50


class DiskFull(OutputError):
    """No space is left where the result, or the work on it, has to be written."""

    code = "disk_full"
    exit_code = 51


class NetworkError(UgclabError):
    """An address does not answer, or answers that it cannot for now."""

    code = "network"
    exit_code = 60
    passing = True


class StoreError(UgclabError):
    """The store cannot be used as it is set up: a bucket or credentials that are wrong."""

    code = "store"
    exit_code = 61


class StoreUnavailable(StoreError):
    """The store does not answer, or refuses for now."""

    code = "store_unavailable"
    exit_code = 62
    passing = True


class StoreCorrupt(StoreError):
    """An object of the store has not the bytes that were put there."""

    code = "store_corrupt"
    exit_code = 63


class QueueError(UgclabError):
    """What was asked of a job cannot be done."""

    code = "queue"
    exit_code = 70


class JobNotFound(QueueError):
    """No job has that id, or it belongs to somebody else."""

    code = "job_not_found"
    exit_code = 71


class JobConflict(QueueError):
    """The job is in a state that does not allow it."""

    code = "job_conflict"
    exit_code = 72


class LimitReached(QueueError):
    """One user's active jobs, or minutes of video, are used up."""

    code = "limit"
    exit_code = 73


class QueueUnavailable(QueueError):
    """The database of the queue does not answer."""

    code = "queue_unavailable"
    exit_code = 74
    passing = True


class JobPoisoned(QueueError):
    """The worker of a job died again and again."""

    code = "poison"
    exit_code = 75


class Regression(UgclabError):
    """A build is slower, or needs more memory, than the one it is compared with, by more than was allowed."""

    code = "regression"
    exit_code = 80


class Cancelled(UgclabError):
    """The work was cancelled; nothing half-written is left behind."""

    code = "cancelled"
    exit_code = 130


def error_of(code: str, message: str, hint: str = "", segment: int | None = None) -> UgclabError:
    """Make the error that has this code; one of an unknown code is an engine's."""
    pending: list[type[UgclabError]] = [UgclabError]
    while pending:
        kind = pending.pop()
        if kind.code == code and (kind is not UgclabError or code == UgclabError.code):
            return kind(message, hint=hint, segment=segment)
        pending.extend(kind.__subclasses__())
    return EngineError(message, hint=hint)
