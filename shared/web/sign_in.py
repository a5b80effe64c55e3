"""Signing in and out of the pages: the same token as for tools, kept in a cookie that scripts cannot read."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from shared.auth import COOKIE, LIFETIME, own_origin
from shared.errors import Forbidden, Unauthorized
from shared.web.render import local, redirect, remembering, render

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
async def sign_in_page(request: Request, token: str | None = None, next: str | None = None) -> Response:
    """With a token (the link `themodel up` prints) signs in; without one explains how to get it."""
    if token is None:
        return render(request, "sign_in.html", next=local(next), failed=False)
    return _enter(request, token, local(next))


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    form = await request.form()
    return _enter(request, str(form.get("token", "")), local(str(form.get("next", ""))))


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    if not own_origin(request):
        raise Forbidden("A page of another origin may not change anything here")
    response = redirect("/sign-in")
    response.delete_cookie(COOKIE)
    return response


def _enter(request: Request, token: str, to: str) -> Response:
    """Into the cookie and away from the address, so that no history or log keeps it."""
    try:
        request.app.state.runtime.keys.verify(token.strip())
    except Unauthorized:
        return render(request, "sign_in.html", status=401, next=to, failed=True)
    response = redirect(to)
    response.set_cookie(
        COOKIE,
        token.strip(),
        max_age=int(LIFETIME.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return remembering(request, response)
