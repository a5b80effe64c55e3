"""Every refusal is an RFC 9457 problem with a stable `type`; nothing a client sends is answered by a 500."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError, TimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared.errors import Invalid, Malformed, NotFound, Overloaded, Problem, Refused
from shared.sqlerrors import cause_of, sqlstate, transient
from shared.tracing import trace_id

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
HTTP_RULES = {400: "malformed", 404: "no_such_path", 405: "method_not_allowed", 413: "too_large", 415: "media_type"}


def problem_response(problem: Problem) -> Response:
    headers = {}
    retry = getattr(problem, "retry_after", None) or (1 if problem.status == 503 else None)
    if retry:
        headers["Retry-After"] = str(retry)
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return _response(problem_body(problem), headers)


def problem_body(problem: Problem) -> dict[str, Any]:
    return {**_body(problem.rule, problem.title, problem.status, problem.detail), **problem.more}


def _body(rule: str, title: str, status: int, detail: str) -> dict[str, Any]:
    return {"type": f"/problems/{rule}", "title": title, "status": status, "detail": detail}


def _response(body: dict[str, Any], headers: Mapping[str, str]) -> Response:
    if trace := trace_id():
        body["trace_id"] = trace
    return Response(orjson.dumps(body, default=str), body["status"], dict(headers), MEDIA_TYPE)


def as_problem(error: BaseException) -> Problem | None:
    """What the database says no to, in words for the caller; None where it is a bug of ours."""
    if isinstance(error, Problem):
        return error
    state = sqlstate(error)
    cause = cause_of(error)
    if state[:2] == "23":
        log.warning("a constraint refused", error=str(cause)[:300])
        name = getattr(cause, "constraint_name", "") or ""
        return Refused("The record would contradict another one", rule="conflict", constraint=name)
    if state[:2] == "22" or (isinstance(cause, asyncpg.InterfaceError) and isinstance(cause, ValueError)):
        return Invalid("body", "a value is outside what can be stored")
    if isinstance(cause, UnicodeEncodeError):
        return Invalid("body", "a text has a character that cannot be stored")
    if isinstance(error, TimeoutError) or transient(error):
        return Overloaded("The database does not answer; try again")
    return None


def field_errors(errors: Sequence[Any]) -> list[dict[str, str]]:
    """pydantic's findings as `{field, rule}`, without the input: it may be anything, even a person's data."""
    found = []
    for error in errors:
        place = [str(part) for part in error["loc"] if part not in {"body", "query", "path", "header"}]
        found.append({"field": ".".join(place) or "body", "rule": error["msg"]})
    return found


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_response(error)


async def _on_validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem_response(Malformed(field_errors(error.errors())))


async def _on_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    rule = HTTP_RULES.get(error.status_code, "http")
    title = NotFound.title if error.status_code == 404 else str(error.detail)
    return _response(_body(rule, title, error.status_code, str(error.detail)), error.headers or {})


async def unexpected(_: Request, error: Exception) -> Response:
    """The answer to what nobody raised on purpose; a bug of ours is logged."""
    problem = as_problem(error)
    if problem is None:
        log.error("unexpected error", error=f"{type(error).__name__}: {error}"[:500], exc_info=error)
        problem = Problem("This is our fault and has been logged")
    return problem_response(problem)


def install(app: FastAPI) -> None:
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    for kind in (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, UnicodeEncodeError):
        app.add_exception_handler(kind, unexpected)
    app.add_exception_handler(Exception, unexpected)
