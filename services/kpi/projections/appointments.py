"""First meetings: when each was to be, and what became of it, as it was known from one word to the next."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from services.kpi.projections import facts as told
from services.kpi.projections.facts import Fact
from services.kpi.projections.rows import Appointment
from services.kpi.projections.spells import follow

WORDS = told.APPOINTMENT_TYPES - {told.APPOINTMENT_SET}


def fold_appointments(facts: Sequence[Fact], latest: Mapping[UUID, Mapping[str, str]]) -> list[Appointment]:
    """`facts` of one group, in order; `latest` is what each person is known by.

    What is told of an opportunity's appointment without saying which is told of its latest until then.
    """
    first: dict[UUID, Fact] = {}
    for fact in facts:
        if fact.type == told.APPOINTMENT_SET:
            first.setdefault(UUID(fact.data["appointment_id"]), fact)
    words: defaultdict[UUID | None, list[Fact]] = defaultdict(list)
    for fact in facts:
        if fact.type in WORDS:
            words[_which(fact, first)].append(fact)
    return [state for key, fact in first.items() for state in _states(_set(key, fact, latest), words[key])]


def _which(word: Fact, first: Mapping[UUID, Fact]) -> UUID | None:
    if named := word.data.get("appointment_id"):
        return UUID(named)
    set_until_then = [
        key
        for key, fact in first.items()
        if fact.opportunity_id == word.opportunity_id and fact.occurred_at <= word.occurred_at
    ]
    return set_until_then[-1] if set_until_then else None


def _set(key: UUID, fact: Fact, latest: Mapping[UUID, Mapping[str, str]]) -> Appointment:
    assert fact.opportunity_id
    assert fact.lead_id
    return Appointment(
        opportunity_id=fact.opportunity_id,
        appointment_id=key,
        at=fact.occurred_at,
        until=None,
        start_at=_start(fact),
        held=False,
        missed=False,
        cancelled=False,
        moves=0,
        lead_id=fact.lead_id,
        cycle=fact.cycle,
        account_id=fact.account_id,
        dimensions=fact.dimensions,
        latest={**fact.dimensions, **latest.get(fact.lead_id, {})},
    )


def _states(state: Appointment, words: Sequence[Fact]) -> list[Appointment]:
    """A word that came before it was set is known from then on."""
    found, began = [state], state.at
    for word in words:
        state = replace(state, at=max(began, word.occurred_at), until=None, **_told(state, word))
        follow(found, state)
    return found


def _told(state: Appointment, word: Fact) -> dict[str, Any]:
    match word.type:
        case told.APPOINTMENT_RESCHEDULED:
            return {"start_at": _start(word), "moves": state.moves + 1}
        case told.APPOINTMENT_HELD:
            return {"held": True, "missed": False, "cancelled": False}
        case told.APPOINTMENT_MISSED:
            return {"missed": not state.held}
        case _:
            return {"cancelled": not state.held}


def _start(fact: Fact) -> datetime:
    return datetime.fromisoformat(fact.data["start_at"])
