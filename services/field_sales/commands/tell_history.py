"""Tell what a row of a file makes known: each fact at its own time, then what else has changed, now."""

from collections.abc import Callable, Collection
from typing import Any

from services.field_sales.commands.close_deal import contract_terms
from services.field_sales.commands.open_opportunity import opening_terms
from services.field_sales.commands.telling import SLICED, TOLD, Changes, announce, announce_changes, line
from services.field_sales.domain.lifecycle import Status
from services.field_sales.domain.reconciliation import CLOSED, CLOSINGS, Fact, Facts
from services.field_sales.models import Opportunity
from shared.contracts.field_sales import (
    DealLost,
    DealReopened,
    DealWon,
    OpportunityEvent,
    OpportunityOpened,
    SqlReceived,
)
from shared.database import Transaction
from shared.ids import told_id
from shared.imports.importer import ImportContext

DATED = frozenset(
    {"external_id", "status", "offered_at", "opened_at", "closed_at", "won_on"}
    | {"reason", "recyclable", "revisit_on", "comment"}
)
"""Fields that change only together with a fact."""

Line = dict[str, Any]
Say = Callable[[Opportunity], tuple[type[OpportunityEvent], dict[str, Any]]]


def _opened(row: Opportunity) -> tuple[type[OpportunityEvent], dict[str, Any]]:
    """What a file says of a closed deal's value was not known when it was opened, and nobody knows since when an open
    one has been in its phase."""
    terms = opening_terms(row) if row.status is Status.OPEN else {}
    return OpportunityOpened, {**terms, "phase": None, "origin": row.origin}


def _won(row: Opportunity) -> tuple[type[OpportunityEvent], dict[str, Any]]:
    row.contract_id = row.contract_id or told_id("contract", f"opportunity:{row.external_id}")
    row.account_id = row.account_id or told_id("account", f"opportunity:{row.external_id}")
    return DealWon, contract_terms(row)


def _lost(row: Opportunity) -> tuple[type[OpportunityEvent], dict[str, Any]]:
    return DealLost, {name: getattr(row, name) for name in ("reason", "recyclable", "revisit_on", "amount")}


SAYS: dict[Fact, tuple[Say, Status, frozenset[str]]] = {
    Fact.RECEIVED: (lambda _: (SqlReceived, {"dated": True}), Status.OFFERED, frozenset()),
    Fact.RECEIVED_UNDATED: (lambda _: (SqlReceived, {"dated": False}), Status.OFFERED, frozenset()),
    Fact.OPENED: (_opened, Status.OPEN, frozenset({"mrr", "amount", "expected_close_date", "forecast_category"})),
    Fact.WON: (_won, Status.WON, frozenset({"mrr", "amount"})),
    Fact.LOST: (_lost, Status.LOST, frozenset({"amount", "reason"})),
    Fact.REOPENED: (lambda _: (DealReopened, {}), Status.OPEN, frozenset()),
}
"""Fact → its event, where the opportunity is after it, and the fields it carries beside the dimensions."""


def tell(
    tx: Transaction, row: Opportunity, new: Facts, changes: Changes, context: ImportContext, *, first: bool
) -> list[Line]:
    """The lines of its history that follow. `first`: it was not known before; then `changes` are all its fields."""
    told = [*new, *_restated(row, new, changes)]
    carried: set[str] = set()
    lines: list[Line] = []
    for fact, at in told:
        say, status, carries = SAYS[fact]
        event, fields = say(row)
        announce(tx, event, row, at, **fields)
        found = line(row, fact.value, at=at, by=context.user, now=context.now)
        lines.append({**found, "status": status, "phase": None})
        carried |= {*carries, *SLICED}
        row.reopenings += fact is Fact.REOPENED
        if fact is not Fact.RECEIVED_UNDATED:
            row.stepped_at = max(at, row.stepped_at or at)
    rest = {name: changes[name] for name in changes if name not in carried | DATED}
    return [*lines, *_tell_rest(tx, row, rest, context, first=first)]


def _restated(row: Opportunity, new: Facts, changes: Collection[str]) -> Facts:
    """A closed deal whose figures changed is closed with the new ones, at the same time as before."""
    if row.status not in CLOSED or row.closed_at is None:
        return []
    closing = CLOSINGS[row.status]
    if any(fact is closing for fact, _ in new) or not SAYS[closing][2].intersection(changes):
        return []
    return [(closing, row.closed_at)]


def _tell_rest(tx: Transaction, row: Opportunity, rest: Changes, context: ImportContext, *, first: bool) -> list[Line]:
    """What no fact carried is told as of now; of a new one only if it is open, for nothing else runs."""
    if first:
        rest = {name: rest[name] for name in rest if row.status is Status.OPEN and name in (*TOLD, *SLICED)}
    if not rest:
        return []
    announce_changes(tx, row, rest, context.now)
    row.changed_at = context.now
    return [line(row, "updated", at=context.now, by=context.user, now=context.now, changes=rest)]
