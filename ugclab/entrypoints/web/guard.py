"""Whether a request was made by another site's page."""

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection


def foreign(request: HTTPConnection) -> bool:
    """Whether a change is asked for by another site's page, with this browser's cookie."""
    origin = request.headers.get("origin")
    if request.scope.get("method") in ("GET", "HEAD", "OPTIONS") or not origin:
        return False
    hosts = {request.headers.get("host", ""), request.headers.get("x-forwarded-host", "")}
    try:
        return urlsplit(origin).netloc not in hosts - {""}  # a frame without rights of its own says "null"
    except ValueError:
        return True
