"""What was told of one way or one deal, read from its beginning: see slow_book."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from deploy.history.telling import Telling

UNSET = "(unset)"


def kind(told: Telling) -> str:
    return told.event.type.split(".")[1]


def department(told: Telling) -> str:
    return told.event.type.split(".")[0]


def said(told: Telling, name: str) -> Any:
    return getattr(told.event, name, None)


def deal_of(told: Telling) -> UUID | None:
    if kind(told) == "contract_started":
        return UUID(said(told, "opening_key"))
    deal: UUID | None = said(told, "opportunity_id")
    return deal


def first(story: Iterable[Telling], name: str) -> str:
    return next((said(one, name) for one in story if said(one, name)), UNSET)


def firsts(story: Sequence[Telling]) -> dict[str, Telling]:
    """Entered once a way, by the first that says so."""
    names = {"lead_created": "lead", "lead_recycled": "lead", "mql_created": "mql", "first_contact_made": "contacted"}
    names |= {"sql_accepted": "sql", "sql_received": "sql"}
    found: dict[str, Telling] = {}
    for one in story:
        if kind(one) in names:
            found.setdefault(names[kind(one)], one)
    return found


def standing(story: Sequence[Telling]) -> dict[str, Telling]:
    """Decisions and ends that nothing after them took back."""
    found: dict[str, Telling] = {}
    for one in story:
        match kind(one):
            case "mql_accepted" | "mql_rejected" as decision:
                found.pop("mql_rejected" if decision == "mql_accepted" else "mql_accepted", None)
                found.setdefault(decision, one)
            case "lead_dropped":
                found.setdefault("dropped", one)
            case "sql_returned":
                found.setdefault("sql_returned", one)
        if kind(one) in ("mql_created", "sql_accepted"):
            found.pop("mql_rejected", None)
        if kind(one) in ("mql_created", "mql_accepted", "sql_accepted", "opportunity_opened"):
            found.pop("dropped", None)
        if kind(one) in ("sql_accepted", "opportunity_opened"):
            found.pop("sql_returned", None)
    return found


def result(story: Sequence[Telling]) -> Telling | None:
    """How a deal ended; a reopened one has not."""
    found: Telling | None = None
    for one in story:
        if kind(one) == "deal_reopened":
            found = None
        elif kind(one) in ("deal_won", "deal_lost") and (found is None or kind(found) != kind(one)):
            found = one
    return found


def is_open(story: Sequence[Telling]) -> bool:
    """Whether a deal has begun and not ended. One that had ended and goes on had begun, whenever that is told."""
    begun = any(
        kind(one) == "opportunity_opened" or (kind(one) == "deal_reopened" and result(story[:number]))
        for number, one in enumerate(story)
    )
    return begun and not result(story)
