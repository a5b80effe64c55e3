"""Facts made by hand, for the folds alone."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from services.kpi.projections import facts as told
from services.kpi.projections.facts import Amount, Fact

START = datetime(2026, 4, 1, tzinfo=UTC)
MONEY = {"mrr", "amount"}
DIMENSIONS = {"channel", "campaign", "segment", "product", "owner"}


def an_id(name: str) -> UUID:
    return uuid5(NAMESPACE_OID, name)


def day(number: float) -> datetime:
    """So many days after the first of April 2026."""
    return START + timedelta(days=number)


def a_fact(kind: str, at: float, *, recorded: float | None = None, **values: Any) -> Fact:
    """`kind` is the name of a constant of projections.facts in lower case, or a type; ids are names, money is yen."""
    named = {"lead": "lead_id", "account": "account_id", "opportunity": "opportunity_id", "contract": "contract_id"}
    ids: dict[str, Any] = {field: an_id(values[name]) for name, field in named.items() if name in values}
    currency = values.get("currency", "JPY")
    money: dict[str, Any] = {name: Amount(values[name], currency) for name in MONEY & values.keys()}
    return Fact(
        an_id(f"{kind} {at} {recorded} {sorted(values.items(), key=str)}"),
        kind if "." in kind else getattr(told, kind.upper()),
        day(at),
        day(at if recorded is None else recorded),
        dimensions={name: values[name] for name in DIMENSIONS & values.keys()},
        data={name: value for name, value in values.items() if name not in named},
        cycle=values.get("cycle"),
        reference=values.get("reference"),
        **ids,
        **money,
    )
