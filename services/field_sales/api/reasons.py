"""The coded lists people choose from."""

from fastapi import APIRouter, Query

from services.field_sales.commands import rules
from services.field_sales.schemas.reasons import LISTS
from services.field_sales.schemas.rules import DiscoveryRule
from shared.errors import Invalid
from shared.http.door import Door, Now, Reading
from shared.http.reasons import Reason

router = APIRouter(prefix="/v1", tags=["reasons"], route_class=Door)


@router.get("/reasons")
async def reasons(
    session: Reading, now: Now, purpose: str | None = Query(None, alias="for")
) -> dict[str, list[Reason]]:
    """The coded lists of field sales; with `for`, one of them. Phases and discovery codes are those in force."""
    phases = await rules.phases(session, now)
    discovery = await rules.discovery(session, now)
    found = {name: list(reasons) for name, reasons in LISTS.items()}
    found["phase"] = [Reason(code=phase.code, ja=phase.ja, en=phase.en) for phase in phases.phases]
    for name in DiscoveryRule.model_fields:
        found[name] = [Reason(code=one.code, ja=one.ja, en=one.en) for one in getattr(discovery, name)]
    if purpose is None:
        return found
    if purpose not in found:
        raise Invalid("for", f"one of {', '.join(found)}")
    return {purpose: found[purpose]}
