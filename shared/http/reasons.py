"""Coded reasons: closed lists a department keeps as data, with the words people read, at `GET /v1/reasons?for=…`."""

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Query
from pydantic import BaseModel

from shared.errors import Invalid
from shared.http.door import Door


class Reason(BaseModel):
    """A code and what people read; `recyclable` says whether a cycle that ended so may begin anew."""

    code: str
    ja: str
    en: str
    recyclable: bool | None = None


class Reasons:
    """The lists of one department, by what they are for (`reject`, `lose`, `budget` …)."""

    def __init__(self, lists: Mapping[str, Sequence[Reason]]) -> None:
        self._lists = lists

    def find(self, purpose: str, code: str, *, field: str = "reason") -> Reason:
        """Raises Invalid naming the codes that exist."""
        for reason in self._lists[purpose]:
            if reason.code == code:
                return reason
        raise Invalid(field, f"one of {', '.join(reason.code for reason in self._lists[purpose])}")

    def codes(self, purpose: str) -> tuple[str, ...]:
        return tuple(reason.code for reason in self._lists[purpose])

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/v1", tags=["reasons"], route_class=Door)

        @router.get("/reasons")
        async def reasons(purpose: str | None = Query(None, alias="for")) -> dict[str, list[Reason]]:
            """The coded reasons of this department; with `for`, one list of them."""
            if purpose is None:
                return {name: list(found) for name, found in self._lists.items()}
            if purpose not in self._lists:
                raise Invalid("for", f"one of {', '.join(self._lists)}")
            return {purpose: list(self._lists[purpose])}

        return router
