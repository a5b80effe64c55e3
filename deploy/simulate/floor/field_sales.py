"""Field sales: meets who was handed over, takes them or sends them back, and leads deals to their end."""

from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.simulate import company
from deploy.simulate.acts import jpy
from deploy.simulate.deals import FORECAST
from deploy.simulate.floor.colleague import Colleague
from deploy.simulate.story import ITEMS
from shared.clock import day_of, wire_time

PHASES = ("discovery", *FORECAST)
LOST_ON_THE_WAY, WON_AT_LAST = 0.12, 0.62


class FieldRep(Colleague):
    service = "field_sales"
    every = 60.0

    async def work(self) -> None:
        offered = [row for row in await self.see("/v1/opportunities", status="offered") if self._mine(row)]
        now = datetime.now(UTC)
        ripe = [row for row in offered if _start(row) is None or (_start(row) or now) <= now]
        if ripe and self.chance.random() < 0.7:
            await self._meet(ripe[0])
            return
        running = await self.see("/v1/opportunities", status="open", owner=self.who.id)
        if running:
            await self._advance(self.chance.choice(running))
        elif self.chance.random() < 0.05:
            await self._open()

    def _mine(self, row: Any) -> bool:
        """What was handed over without an appointment is shared out by its id."""
        reps = company.FIELD_SALES
        return row["owner"] == self.who.id or (
            row["owner"] is None and reps[int(row["id"][-4:], 16) % len(reps)] is self.who
        )

    async def _meet(self, row: Any) -> None:
        path, meeting = f"/v1/opportunities/{row['id']}", row["appointment"]
        status = meeting["status"] if meeting else "held"
        if status == "set":
            outcome = self.chance.weighted((("held", 0.84), ("missed", 0.11), ("cancel", 0.05)))
            await self.say(f"{path}/appointment/{outcome}")
            self.did(f"appointment {outcome}")
        elif status == "missed" and self.chance.random() < 0.6:
            start = datetime.now(UTC) + timedelta(seconds=self.floor.seconds(900) + 2)
            await self.say(f"{path}/appointment/reschedule", {"start_at": wire_time(start)})
        elif status == "held" and self.chance.happens(0.88):
            await self.say(f"{path}/accept", {**self._terms(row), "owner": self.who.id})
            self.did("opportunity")
        else:
            await self.say(f"{path}/return", {"reason": self.a_code("return")})
            self.did("returned")

    def _terms(self, row: Any) -> dict[str, Any]:
        product = next((known for known in company.PRODUCTS if known.code == row["product"]), company.PRODUCTS[1])
        close = day_of(datetime.now(UTC)) + timedelta(days=company.DEAL_DAYS.get(row["segment"], 60))
        mrr = round(self.chance.uniform(*product.mrr) / 1000) * 1000
        return {"mrr": jpy(mrr), "expected_close_date": close.isoformat()}

    async def _advance(self, row: Any) -> None:
        path, meeting = f"/v1/opportunities/{row['id']}", row["appointment"]
        reviewable = meeting is not None and meeting["status"] == "held"
        if reviewable and row["first_visit"] is None and row["note"]:
            await self._review(path, row)
        elif self.chance.happens(LOST_ON_THE_WAY):
            await self._lose(path)
        elif row["phase"] == PHASES[-1]:
            await self._close(path, row)
        else:
            after = PHASES[PHASES.index(row["phase"]) + 1] if row["phase"] in PHASES else PHASES[1]
            await self.say(f"{path}/phase", {"phase": after})
            await self.say(path, {"forecast_category": FORECAST[after]}, "PATCH")
            self.did("phase")

    async def _review(self, path: str, row: Any) -> None:
        found = {
            item: answer if self.chance.random() < 0.8 else self.a_code(item)
            for item, answer in row["note"].items()
            if item in ITEMS
        }
        await self.say(f"{path}/first-visit", {**found, "valid": True})
        self.did("first visit")

    async def _lose(self, path: str) -> None:
        await self.say(f"{path}/lose", {"reason": self.a_code("lose")})
        self.did("lost")

    async def _close(self, path: str, row: Any) -> None:
        if not self.chance.happens(WON_AT_LAST * self.who.skill):
            await self._lose(path)
            return
        promises = self.chance.sample(company.PROMISES, 2)
        await self.say(f"{path}/win", {"promises": promises, "term_months": 12})
        self.did("won")

    async def _open(self) -> None:
        """Somebody a partner sent."""
        row = {"product": "business", "segment": "MID"}
        body = {"origin": "partner", "account_name": f"紹介先{self.chance.randint(1, 999_999)}株式会社", **row}
        await self.say("/v1/opportunities", {**body, **self._terms(row), "owner": self.who.id})
        self.did("opportunity")


def _start(row: Any) -> datetime | None:
    """When a set appointment begins; None where nothing waits for a meeting."""
    meeting = row["appointment"]
    return datetime.fromisoformat(meeting["start_at"]) if meeting and meeting["status"] == "set" else None
