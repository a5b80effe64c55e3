"""kpi's front page: the four departments as base x rate = goal against target, live."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from shared.auth import Role
from shared.web.forms import call
from shared.web.problem_pages import refusal
from shared.web.render import render, words_of
from shared.web.routes import PageRoute
from shared.web.words import Words

TEMPLATES = Path(__file__).parent / "templates"
MODES = ("flow", "cohort", "closed")
BY = ("channel", "segment", "industry", "product", "price_band", "region", "campaign", "owner", "team")
CHOICES = ("from", "to", "mode", "by", "as_of")
MINE = ("period", "person", "as_of")
VIEWS = (("pages.board", "/"), ("pages.mine", "/my-numbers"))
router = APIRouter(include_in_schema=False, route_class=PageRoute)


@dataclass(frozen=True, slots=True)
class Card:
    """One department's stage as it is drawn; `filled` and `mark` are shares of the bar's length."""

    stage: Mapping[str, Any]

    @property
    def goal(self) -> float | None:
        value: float | None = self.stage["goal"]["value"]
        return value

    @property
    def target(self) -> float | None:
        value: float | None = self.stage["goal"]["target"]
        return value

    @property
    def axis(self) -> float:
        return max(self.goal or 0, self.target or 0) or 1

    @property
    def filled(self) -> float:
        return (self.goal or 0) / self.axis

    @property
    def mark(self) -> float | None:
        return None if self.target is None else self.target / self.axis

    @property
    def attainment(self) -> float | None:
        return None if not self.target or self.goal is None else self.goal / self.target

    @property
    def verdict(self) -> str:
        """The key of what is said about goal and target: colour alone says nothing."""
        if self.attainment is None:
            return "no_target"
        return "reached" if self.attainment >= 1 else "short"

    @property
    def parts(self) -> list[tuple[str, Any]]:
        """What the base is made of; nothing where it is all of one kind."""
        return [(name, value) for name, value in (self.stage["base"].get("parts") or {}).items() if value]


@router.get("/")
async def board(request: Request) -> Response:
    """The funnel of a period; reads the same API as every client."""
    chosen = {name: value for name in CHOICES if (value := request.query_params.get(name))}
    words = words_of(request)
    answer = await call(request, "GET", "/v1/funnel", params=chosen)
    if answer.is_error:
        return _page(request, answer.status_code, chosen, problem=refusal(words, answer.json()))
    funnel = answer.json()
    return _page(
        request,
        200,
        chosen,
        funnel=funnel,
        cards=[Card(stage) for stage in funnel["stages"]],
        bottleneck=await _bottleneck(request, chosen),
    )


@router.get("/my-numbers")
async def my_numbers(request: Request) -> Response:
    """What one is to reach and how far one is; for who plans, anybody's."""
    chosen = {name: value for name in MINE if (value := request.query_params.get(name))}
    answer = await call(request, "GET", "/v1/my-numbers", params=chosen)
    found = answer.json()
    return render(
        request,
        "mine.html",
        status=answer.status_code,
        folder=TEMPLATES,
        pages=_views(),
        here="mine",
        chosen=chosen,
        plans=not answer.is_error and found["may_see_others"],
        problem=refusal(words_of(request), found) if answer.is_error else None,
        numbers=None if answer.is_error else found,
        coming=None if answer.is_error else await _coming(request, chosen, planner=found["may_see_others"]),
    )


async def _coming(request: Request, chosen: Mapping[str, str], *, planner: bool) -> Any:
    """What customer success will have to take over; for them, and for who plans."""
    if not planner and Role.CUSTOMER_SUCCESS not in request.state.user.roles:
        return None
    asked = {name: value for name, value in chosen.items() if name == "as_of"}
    answer = await call(request, "GET", "/v1/onboarding-load", params=asked)
    return None if answer.is_error else answer.json()


def _views() -> list[dict[str, str]]:
    return [{"name": key.partition(".")[2], "path": path} for key, path in VIEWS]


async def _bottleneck(request: Request, chosen: Mapping[str, str]) -> str | None:
    """The department that holds the chain back, by rate or by flow, where there is evidence for one."""
    given = {name: value for name, value in chosen.items() if name not in ("by", "mode")}
    answer = await call(request, "GET", "/v1/bottleneck", params=given)
    return None if answer.is_error else answer.json()["verdict"]["department"]


def _page(request: Request, status: int, chosen: Mapping[str, str], **found: Any) -> Response:
    words: Words = words_of(request)
    context = {"problem": None, "funnel": None, "cards": [], "bottleneck": None, **found}
    return render(
        request,
        "board.html",
        status=status,
        folder=TEMPLATES,
        live=True,
        pages=_views(),
        here="board",
        stream=f"/v1/stream?{urlencode(chosen)}",
        chosen=chosen,
        modes=[(mode, words.code("values.mode", mode)) for mode in MODES],
        dimensions=[(name, words.t(f"columns.{name}")) for name in BY],
        **context,
    )
