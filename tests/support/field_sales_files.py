"""Files for field sales, and what became of their rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.field_sales.commands.import_opportunities import IMPORTER as OPPORTUNITIES
from services.field_sales.commands.import_reps import IMPORTER as REPS
from shared.imports.jobs import run_open_jobs
from tests.support.field_sales import Seller
from tests.support.rig import Rig

IMPORTERS = {one.resource.name: one for one in (OPPORTUNITIES, REPS)}
OUTCOMES = ("read", "new", "updated", "unchanged", "skipped", "waiting", "refused", "events")
HEAD = "external_id,status,opened_at,closed_at,amount,owner,account,product\n"


async def run(rig: Rig, seller: Seller, answer: Any) -> dict[str, Any]:
    await run_open_jobs(rig.database, IMPORTERS)
    found: dict[str, Any] = await seller.get(f"/imports/{answer['id']}")
    assert found["status"] == "finished", found["problem"]
    return found


async def load(rig: Rig, seller: Seller, page: str, resource: str = "opportunities", more: str = "") -> dict[str, int]:
    """What became of the rows, without zeros."""
    headers = {**seller.client.headers, "Content-Type": "text/csv"}
    response = await seller.client.post(
        f"/v1/imports?resource={resource}&again=true{more}", content=page.encode(), headers=headers
    )
    assert response.status_code == 202, response.text
    found = await run(rig, seller, response.json())
    return {name: found[name] for name in OUTCOMES if found[name]}


async def refusals(seller: Seller) -> list[str]:
    """Line, column, value, rule of the newest import."""
    newest = (await seller.get("/imports?sort=-created_at&limit=1"))["items"][0]["id"]
    text = (await seller.client.get(f"/v1/imports/{newest}/errors.csv")).text
    return [",".join(line.split(",")[:4]) for line in text.splitlines()[1:]]


def day(text: str) -> datetime:
    """The start of a day in Tokyo."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC) - timedelta(hours=9)
