"""Rules that would act on history by themselves, put aside for its time: what people decided then is told."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, get_args

from deploy.history.carry.case import TELLER
from deploy.history.telling import Telling
from deploy.simulate.voices import Voices
from shared.clock import utc_now, wire_time
from shared.contracts.customer_success import OnboardingCompleted
from shared.contracts.field_sales import DealWon
from shared.contracts.marketing import CycleSource

ASIDE = "A loaded history tells itself which leads came back then"
BACK = "What held before a history was loaded"
MOMENT = timedelta(microseconds=1)
RECYCLING = "/v1/rules/recycling"
ONBOARDING = "/v1/rules/onboarding"


async def leave_recycling_to_history(voices: Voices, told: Sequence[Telling]) -> None:
    """Marketing's rule opens the next cycle the moment one ends; within the history's time only the history does.

    What held at its end holds again from there on; a load that was cut off in between is mended by the next.
    """
    since, until = min(one.at for one in told), max(one.at for one in told) + MOMENT
    versions = [_Version(one) for one in (await voices.get("marketing", RECYCLING))["versions"]]
    within = [one.since for one in versions if since < one.since < until]
    aside = [at for at in (since, *within) if not _in_force(versions, at).is_aside]
    for at in aside:
        await _put(voices, _without(_in_force(versions, at).rule), at, ASIDE)
    people = [one for one in versions if one.note != ASIDE]
    if (aside or len(people) < len(versions)) and not any(one.since == until for one in versions):
        await _put(voices, _in_force(people, until).rule, until, BACK)


class _Version:
    def __init__(self, told: dict[str, Any]) -> None:
        self.rule, self.number, self.note = told["rule"], told["version"], told.get("note")
        self.since = datetime.fromisoformat(told["valid_from"])
        self.is_aside: bool = self.rule == _without(self.rule)


def _in_force(versions: Sequence[_Version], at: datetime) -> _Version:
    """As marketing reads them: its first version has ruled ever since."""
    ruling = [one for one in versions if one.since <= at or one.number == 1]
    return max(ruling, key=lambda one: (one.since <= at, one.since, one.number))


def _without(rule: dict[str, Any]) -> dict[str, Any]:
    sources = rule["sources"]
    return {**rule, "sources": {name: {**sources.get(name, {}), "recycle": False} for name in get_args(CycleSource)}}


async def _put(voices: Voices, rule: dict[str, Any], since: datetime, note: str) -> None:
    body = {"rule": rule, "valid_from": wire_time(since), "note": note, "for_history": True}
    await voices.say(TELLER, "PUT", "marketing", RECYCLING, body)


@asynccontextmanager
async def onboarding_of_old_deals(voices: Voices, told: Sequence[Telling]) -> AsyncIterator[None]:
    """A deal won long ago gets no onboarding plan; where its end is told, it gets one while this lasts."""
    won = [one.at for one in told if isinstance(one.event, DealWon)]
    days = (utc_now() - min(won)).days + 1 if won else 0
    rule = (await voices.get("customer_success", ONBOARDING))["rule"]
    if not any(isinstance(one.event, OnboardingCompleted) for one in told) or rule["plan_within_days"] >= days:
        yield
        return
    longer = {"rule": {**rule, "plan_within_days": days}}
    await voices.say(TELLER, "PUT", "customer_success", ONBOARDING, longer)
    try:
        yield
    finally:
        await voices.say(TELLER, "PUT", "customer_success", ONBOARDING, {"rule": rule})
