"""The one cookie."""

from fastapi import Request

from ugclab.entrypoints.ui.identity import COOKIE


def cookie(value: str, age_s: int, *, secure: bool) -> str:
    """A Set-Cookie line no script can read. Over https it also works inside a frame of another site, as a Space is."""
    same_site = "SameSite=None; Secure; Partitioned" if secure else "SameSite=Lax"
    return f"{COOKIE}={value}; Path=/; Max-Age={age_s}; HttpOnly; {same_site}"


def is_secure(request: Request) -> bool:
    """Whether the browser speaks https, here or to a proxy before us."""
    return request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
