"""What S3, and the way to it, may answer, in our errors: what is wrong, and what to set.

Nothing of botocore leaves: its texts are not passed on, since they may quote addresses with signatures in them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ugclab.errors import StoreError, StoreUnavailable

_PASSING = {
    "SlowDown": "asks for fewer requests",
    "RequestTimeout": "did not get the bytes in time",
    "RequestTimeoutException": "did not get the bytes in time",
    "Throttling": "asks for fewer requests",
    "ThrottlingException": "asks for fewer requests",
    "TooManyRequests": "asks for fewer requests",
    "RequestLimitExceeded": "asks for fewer requests",
    "InternalError": "has a fault of its own",
    "ServiceUnavailable": "is not available",
    "OperationAborted": "is busy with the same object",
    "ConditionalRequestConflict": "is busy with the same object",
    "PreconditionFailed": "holds another object now: it was replaced while it was read",
    "BadDigest": "received other bytes than were sent",
    "XAmzContentSHA256Mismatch": "received other bytes than were sent",
    "IncompleteBody": "received fewer bytes than were sent",
}
_CREDENTIALS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthFailure", "InvalidClientTokenId"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_DENIED = {"AccessDenied", "403", "AllAccessDisabled", "AccountProblem", "UnauthorizedAccess"}
_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301", "307"}
ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})
"""Codes that say that an object is not there; an answer to HEAD has no body, hence the number."""
UNSUPPORTED = frozenset({"NotImplemented", "MethodNotAllowed", "NoSuchUpload", "UnsupportedOperation", "501", "405"})
"""Codes of servers that do not know how to list unfinished uploads or old versions."""

_KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_RIGHTS = (
    "the bucket's policy must allow s3:ListBucket, s3:ListBucketVersions, s3:ListBucketMultipartUploads, "
    "s3:GetObject, s3:PutObject, s3:DeleteObject, s3:DeleteObjectVersion and s3:AbortMultipartUpload"
)


@contextmanager
def translated(bucket: str, key: str = "") -> Iterator[None]:
    """Raise KeyError for an object that is not there, StoreError and StoreUnavailable for the rest."""
    from boto3.exceptions import Boto3Error
    from botocore import exceptions as said
    from s3transfer.exceptions import RetriesExceededError

    try:
        yield
    except said.ClientError as error:
        if code_of(error) in ABSENT:
            raise KeyError(key) from error
        raise refusal(bucket, code_of(error), status_of(error)) from error
    except (said.NoCredentialsError, said.PartialCredentialsError, said.CredentialRetrievalError) as error:
        raise StoreError(f"there are no credentials for the bucket {bucket}", hint=_KEYS) from error
    except said.ProfileNotFound as error:
        raise StoreError("AWS_PROFILE names a profile that does not exist", hint=_KEYS) from error
    except said.SSLError as error:
        raise StoreError(
            f"the certificate of the store of {bucket} is not trusted", hint="set AWS_CA_BUNDLE to your authority's"
        ) from error
    except said.ParamValidationError as error:
        raise StoreError(f"{bucket!r} is not the name of a bucket", hint="set UGCLAB_S3_BUCKET") from error
    except (said.ConnectionError, said.HTTPClientError, said.IncompleteReadError, RetriesExceededError) as error:
        raise StoreUnavailable(
            f"the store of the bucket {bucket} does not answer ({type(error).__name__})",
            hint="see to the network and to AWS_ENDPOINT_URL_S3",
        ) from error
    except (said.BotoCoreError, Boto3Error) as error:
        raise StoreError(
            f"the store of the bucket {bucket} cannot be used ({type(error).__name__})",
            hint="see to the AWS_… variables and ~/.aws",
        ) from error


def code_of(error: Any) -> str:
    """What a ClientError says in one word."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: Any) -> int:
    """The HTTP status of a ClientError; 0 where there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)


def refusal(bucket: str, code: str, status: int = 0) -> StoreError:
    """The error that an answer of S3 stands for."""
    if code in _PASSING or status == 429 or (status >= 500 and status != 501):
        what = _PASSING.get(code, f"has a fault of its own ({status})")
        return StoreUnavailable(f"the store of the bucket {bucket} {what}", hint="try again a moment later")
    if code == "NoSuchBucket":
        return StoreError(f"there is no bucket {bucket}", hint="create it, or set UGCLAB_S3_BUCKET to another")
    if code in _CREDENTIALS:
        return StoreError(f"the credentials for the bucket {bucket} are wrong ({code})", hint=_KEYS)
    if code in _EXPIRED:
        return StoreError(f"the credentials for the bucket {bucket} have expired", hint="renew them; " + _KEYS)
    if code == "RequestTimeTooSkewed":
        return StoreError("this machine's clock is wrong: the store refuses its signatures", hint="set the clock")
    if code.startswith("KMS."):
        return StoreError(f"the encryption key cannot be used ({code})", hint="set UGCLAB_S3_KMS_KEY to another")
    if code in _DENIED or status == 403:
        return StoreError(
            f"access to the bucket {bucket} is denied: wrong credentials, or too few rights", hint=_RIGHTS
        )
    if code in _REGION:
        return StoreError(f"the bucket {bucket} lies in another region", hint="set AWS_REGION to it")
    return StoreError(
        f"the store of the bucket {bucket} refuses ({code or status})",
        hint="see to UGCLAB_S3_… and the AWS_… variables",
    )
