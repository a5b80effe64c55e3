"""What the endpoints share: the opportunity in the path, who may act, and how an opportunity is answered."""

from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Depends, Path, Request
from starlette.responses import Response

from services.field_sales import queries
from services.field_sales.models import OpportunityRow
from shared.auth import Role, User
from shared.database import Transaction
from shared.http.door import Reading, allowed, resource

SELLERS = allowed(Role.FIELD_SALES)
LEADERS = allowed(Role.FIELD_SALES, Role.OPS_LEAD)

_KEY = Path(description="its id, or `ext:` and your own id of it", max_length=200)


async def _resolved(opportunity_id: Annotated[str, _KEY], session: Reading) -> UUID:
    return await queries.resolve(session, opportunity_id)


async def _zone(request: Request) -> ZoneInfo:
    zone: ZoneInfo = request.app.state.runtime.settings.zone
    return zone


OpportunityId = Annotated[UUID, Depends(_resolved)]
Zone = Annotated[ZoneInfo, Depends(_zone)]


def seller(who: User) -> str | None:
    """Whom an opportunity is credited to when nobody is named: the seller who acts, never a tool or an admin."""
    return who.subject if Role.FIELD_SALES in who.roles else None


async def answer(tx: Transaction, row: OpportunityRow, *, status: int = 200) -> Response:
    """The opportunity as it is after the act."""
    await tx.session.flush()
    (out,) = await queries.shown(tx.session, [row])
    location = f"/v1/opportunities/{row.id}" if status == 201 else None
    return resource(out, version=row.version, status=status, location=location)
