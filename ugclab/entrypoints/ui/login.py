"""Logging in, where the operator named accounts: a page without scripts, and the same for programs."""

from html import escape
from string import Template
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from ugclab.entrypoints.ui import pages
from ugclab.entrypoints.ui.cookies import cookie, is_secure
from ugclab.entrypoints.ui.identity import SESSION_S, Identity
from ugclab.errors import InputError

_PAGE = Template("""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>ugclab: log in</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<link rel="stylesheet" href="/ui/tokens.css"><link rel="stylesheet" href="$root/base.css"></head>
<body class="u-login"><form method="post" action="/login"><h1 class="u-name">ugc<span>lab</span></h1>
<p role="alert">$said</p>
<label>Name<input name="username" autocomplete="username" required autofocus></label>
<label>Password<input name="password" type="password" autocomplete="current-password" required></label>
<button class="u-button u-primary">Log in</button></form></body></html>""")


def login_routes(identity: Identity) -> APIRouter:
    """`/login` and `/logout`."""
    routes = APIRouter()

    @routes.get("/login")
    def ask() -> Response:
        if not identity.accounts:
            return RedirectResponse("/", 303)
        return HTMLResponse(_PAGE.substitute(root=pages.static_root(), said=""))

    @routes.post("/login")
    def log_in(
        request: Request, username: Annotated[str, Form(max_length=64)], password: Annotated[str, Form(max_length=256)]
    ) -> Response:
        person = "text/html" in request.headers.get("accept", "")
        try:
            session = identity.log_in(username, password)
        except InputError as error:
            if person:
                said = escape(f"{error.message}. {error.hint}")
                return HTMLResponse(_PAGE.substitute(root=pages.static_root(), said=said), 401)
            return JSONResponse({"message": error.message, "hint": error.hint, "code": error.code}, 401)
        answer: Response = RedirectResponse("/", 303) if person else JSONResponse({"success": True})
        answer.headers.append("set-cookie", cookie(session, SESSION_S, secure=is_secure(request)))
        return answer

    @routes.get("/logout")
    def log_out(request: Request) -> Response:
        answer = RedirectResponse("/login", 303)
        answer.headers.append("set-cookie", cookie("", 0, secure=is_secure(request)))
        return answer

    return routes
