"""Where the valve stands, and what of the queue it holds back."""

from datetime import datetime

from sqlalchemy import ColumnElement, case, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from services.inside_sales.domain.lifecycle import Status
from services.inside_sales.domain.valve import COMPANY, REGION, Thresholds
from services.inside_sales.models.base import Base
from services.inside_sales.models.prospect import ProspectRow
from shared.database import Words


class ValveRow(Base):
    """`id` is `company` or `region/<region>`; the figures are those its threshold was judged by."""

    __tablename__ = "valve"

    id: Mapped[Words] = mapped_column(primary_key=True)
    threshold: Mapped[int]
    why: Mapped[Words]
    utilisation: Mapped[float | None]
    offered: Mapped[int]
    opened: Mapped[int]
    slots: Mapped[int | None]
    rule_version: Mapped[int]
    moved_at: Mapped[datetime | None]
    judged_at: Mapped[datetime | None]


async def read_thresholds(session: AsyncSession) -> Thresholds:
    rows = (await session.execute(select(ValveRow.id, ValveRow.threshold))).all()
    regions = {name.removeprefix(REGION): threshold for name, threshold in rows if name.startswith(REGION)}
    return Thresholds(dict(rows)[COMPANY], regions)


def is_held(needed: Thresholds, default_score: int) -> ColumnElement[bool]:
    """Is a prospect's row work that the valve does not release?"""
    threshold: ColumnElement[int] = literal(needed.company)
    if needed.regions:
        threshold = case(needed.regions, value=ProspectRow.region, else_=needed.company)
    return (ProspectRow.status == Status.WAITING) & (func.coalesce(ProspectRow.score, default_score) < threshold)
