"""What the plumbing of a department keeps of a person who is erased (shared/forgetting.py)."""

from typing import Any

import pytest
from sqlalchemy import text

from services.inside_sales.app import SERVICE as INSIDE_SALES
from services.kpi.app import SERVICE as KPI
from shared.contracts.marketing import LeadErased
from shared.ids import new_id
from shared.service import Service
from tests.support.inside_sales import Desk
from tests.support.rig import MakeRig, Rig


async def rows(rig: Rig, query: str) -> list[Any]:
    async with rig.database.reading() as session:
        return list(await session.scalars(text(query)))


async def test_who_asks_again_after_the_erasure_gets_the_id_alone(make_rig: MakeRig) -> None:
    desk = Desk(await make_rig(INSIDE_SALES))
    lead, other = await desk.mql(), await desk.mql()
    note = {"kind": "call", "outcome": "connected", "note": "山田太郎と電話"}
    key = {"Idempotency-Key": "the same for both"}
    made = await desk.act(lead, "activities", note, status=201, headers=key)
    spared = await desk.act(other, "activities", note, status=201, headers=key)
    await desk.rig.deliver(LeadErased(lead_id=lead), lead)
    assert await desk.act(lead, "activities", note, status=201, headers=key) == {"id": made["id"]}
    assert await desk.act(other, "activities", note, status=201, headers=key) == spared


@pytest.mark.parametrize("service", [INSIDE_SALES, KPI], ids=lambda service: str(service.name))
async def test_discarded_letters_lose_their_bytes_and_what_waits_keeps_them(
    make_rig: MakeRig, service: Service
) -> None:
    rig, lead = await make_rig(service), new_id()
    keeper = rig.client("admin")
    for words in ("山田太郎 discarded", "山田太郎 waits"):
        await rig.hand_over([rig.raw("/marketing", str(new_id()), words.encode())])
    first = (await keeper.get("/v1/dead-letters")).json()["items"][0]
    discarded = await keeper.post(f"/v1/dead-letters/{first['id']}/discard", json={"reason": "no event"})
    assert discarded.status_code == 200
    await rig.deliver(LeadErased(lead_id=lead), lead)
    assert await rows(rig, "SELECT value FROM dead_letter ORDER BY found_at") == [None, "山田太郎 waits".encode()]
    shown = await keeper.get(f"/v1/dead-letters/{first['id']}")
    assert (shown.status_code, shown.json()["value"], shown.json()["headers"]) == (200, None, {})
