"""Churn-risk alarms: they ring by rule, and each is told once when it is raised and once when it is over."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from services.customer_success.models import CustomerRow, RiskRow
from shared.contracts.customer_success import ChurnRiskCleared, ChurnRiskRaised
from shared.database import Transaction
from shared.ids import new_id


async def clear_alarm(tx: Transaction, customer: CustomerRow, now: datetime) -> None:
    """The alarm is over, if one is open."""
    query = select(RiskRow).where(RiskRow.customer_id == customer.id, RiskRow.cleared_at.is_(None))
    row = (await tx.session.scalars(query.with_for_update())).one_or_none()
    if row is not None:
        follow_alarm(tx, customer, row, (), now)


def follow_alarm(
    tx: Transaction, customer: CustomerRow, row: RiskRow | None, reasons: Sequence[str], now: datetime
) -> None:
    """`row` is the open alarm; `reasons` are those that ring now."""
    if row is None and reasons:
        tx.add(RiskRow(id=new_id(), customer_id=customer.id, reasons=list(reasons), raised_at=now))
        raised = ChurnRiskRaised(reasons=tuple(reasons), **customer.about())
        tx.announce(raised, journey=customer.journey, at=now)
    elif row is not None and not reasons:
        row.cleared_at = now
        tx.announce(ChurnRiskCleared(**customer.about()), journey=customer.journey, at=now)
    elif row is not None and row.reasons != list(reasons):
        row.reasons = list(reasons)
