"""Problems for people: what a refusal says, as a page, where the client asked for pages; and what each rule means."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Request
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import NotFound
from shared.http.problems import MEDIA_TYPE, unexpected
from shared.web.render import redirect, render, wants_page, words_of
from shared.web.words import Words, messages

router = APIRouter(include_in_schema=False)


@router.get("/problems/{rule}")
async def problem_page(request: Request, rule: str) -> Response:
    """What `type` of a problem points to."""
    if f"rules.{rule}.title" not in messages("en"):
        raise NotFound("No rule has this name")
    return render(request, "rule.html", rule=rule)


def refusal(words: Words, problem: Mapping[str, Any]) -> dict[str, Any]:
    """A problem in the reader's words: what the rule is called, what it asks for, which fields it names."""
    rule = str(problem.get("type", "")).rsplit("/", 1)[-1]
    known = messages(words.language)
    return {
        "rule": rule,
        "title": known.get(f"rules.{rule}.title", problem.get("title", "")),
        "text": known.get(f"rules.{rule}.text", ""),
        "detail": problem.get("detail", ""),
        "missing": [words.code("columns", name) for name in problem.get("missing", [])],
        "errors": {error["field"]: _field_rule(words, error["rule"]) for error in problem.get("errors", [])},
        "trace_id": problem.get("trace_id"),
    }


def _field_rule(words: Words, rule: str) -> str:
    """pydantic says it in English; what people meet most is said in their language."""
    if rule == "Field required":
        return words.t("site.field_required")
    return words.t("site.field_refused", rule=rule)


class ProblemPages:
    """Around the application: a problem becomes a page for a client that asked for pages, as late as the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not wants_page(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        held = _Held(send)
        try:
            await self._app(scope, receive, held)
        except Exception as error:
            if held.begun:
                raise
            answer = await unexpected(request, error)
            held.status, held.body = answer.status_code, bytes(answer.body)
        if held.status:
            await _page(request, held)(scope, receive, send)


class _Held:
    """Lets every answer through, but keeps a problem back."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False
        self.status = 0
        self.body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            if Headers(raw=message["headers"]).get("content-type") == MEDIA_TYPE:
                self.status = message["status"]
                return
        if self.status:
            self.body += message.get("body", b"")
            return
        await self._send(message)


def _page(request: Request, held: _Held) -> Response:
    path = request.url.path
    if held.status == 401 and request.method == "GET":
        asked = f"{path}?{request.url.query}" if request.url.query else path
        return redirect(f"/sign-in?next={quote(asked)}")
    problem = orjson.loads(held.body)
    return render(
        request, "problem.html", status=held.status, code=held.status, found=refusal(words_of(request), problem)
    )
