"""From the wire to a fact: the one place where the shapes of events are known."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from services.kpi.projections import facts as told
from services.kpi.projections.facts import Amount, Fact
from shared.contracts import DIMENSIONS, EVENTS, Event
from shared.contracts.envelope import Meta
from shared.money import Money

VERSIONS = {kind.rpartition(".v")[0]: int(kind.rpartition(".v")[2]) for kind in sorted(EVENTS)}
OUTSIDE_IDS = ("opportunity_external_id", "account_external_id", "external_id")


class Unusable(ValueError):
    """An event that cannot be a fact yet: of a newer version, or against its schema. It waits, and is not lost."""


def fact_of(meta: Meta, data: Mapping[str, Any]) -> Fact:
    """Raises Unusable. An event of a type nobody told us of is kept as it is and folded into nothing."""
    base, _, version = meta.type.rpartition(".v")
    if version.isdigit() and int(version) > VERSIONS.get(base, int(version)):
        raise Unusable(f"{meta.type} is newer than this reader")
    try:
        event_id = UUID(meta.id)
    except ValueError as error:
        raise Unusable("its id is no UUID") from error
    cls = EVENTS.get(meta.type)
    if cls is None:
        return _fact(meta, event_id, None, data)
    try:
        event = cls.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Unusable(f"{meta.type} does not hold to its schema: {where}: {first['msg']}") from error
    return _fact(meta, event_id, event, data)


def _fact(meta: Meta, event_id: UUID, event: Event | None, data: Mapping[str, Any]) -> Fact:
    values = {} if event is None else event.__dict__  # what it has; asking it for what it has not is slow
    return Fact(
        event_id,
        meta.type,
        meta.time,
        meta.recorded,
        sequence=meta.sequence,
        publisher=meta.publisher,
        source=meta.source,
        stream=meta.key,
        lead_id=values.get("lead_id"),
        cycle=values.get("cycle"),
        account_id=values.get("account_id"),
        opportunity_id=values.get("opportunity_id") or _sold(values),
        contract_id=values.get("contract_id"),
        reference=_reference(meta.type, values),
        dimensions={name: value for name in DIMENSIONS if (value := values.get(name))},
        mrr=_amount(values, "mrr", "delta", "expected_mrr"),
        amount=_amount(values, "amount", "spend"),
        data=data,
    )


def _sold(values: Mapping[str, Any]) -> UUID | None:
    """The opportunity a contract came from, by its opening key."""
    key = values.get("opening_key")
    if key is None or key == str(values["contract_id"]):
        return None
    try:
        return UUID(key)
    except ValueError:
        return None


def _reference(kind: str, values: Mapping[str, Any]) -> str | None:
    """What another system, or the calendar, calls the thing the event tells of."""
    if kind in told.DAY_TYPES:
        return "/".join(str(values[name] or "") for name in ("date", "channel", "campaign"))
    if kind in told.WEEK_TYPES:
        return f"{values['account_id']}/{values['week']}"
    return next((found for name in OUTSIDE_IDS if (found := values.get(name))), None)


def _amount(values: Mapping[str, Any], *names: str) -> Amount | None:
    money = next((found for name in names if (found := values.get(name)) is not None), None)
    return Amount(money.amount, money.currency) if isinstance(money, Money) else None
