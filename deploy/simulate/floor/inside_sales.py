"""Inside sales: takes the next prospect, calls, judges, hands over or lets go."""

from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.simulate import company
from deploy.simulate.floor.colleague import OFFICE_DAY, Colleague
from deploy.simulate.story import ITEMS
from deploy.simulate.voices import Refused
from shared.clock import wire_time

AT_HAND = 8  # prospects one works on; with more, they are brought to an end first
CONNECTED, ACCEPTED, SQL = 0.65, 0.86, 0.56
TRIES = 3
MEETING = 15  # minutes; time runs faster here, appointments do not
TAKEN = ("double_booked", "no_free_slot")


class InsideRep(Colleague):
    service = "inside_sales"
    every = 35.0

    async def work(self) -> None:
        mine = await self.see("/v1/prospects", status="accepted", claimed_by=self.who.id)
        if mine and (len(mine) >= AT_HAND or self.chance.random() < 0.4):
            await self._bring_to_an_end(self.chance.choice(mine))
        elif prospect := await self._next():
            await self._judge(prospect)

    async def _next(self) -> Any:
        """The best of the queue; where the valve holds everything back, one somebody believes in all the same."""
        try:
            return await self.say("/v1/queue/next")
        except Refused as refused:
            if refused.rule == "nothing_released" and self.chance.random() < 0.3:
                held = await self.see("/v1/queue", held="true")
                free = [prospect for prospect in held if prospect["claimed_by"] is None]
                return await self.say(f"/v1/prospects/{free[0]['id']}/claim") if free else None
            if refused.rule in ("nothing_released", "queue_empty"):
                return None
            raise

    async def _judge(self, prospect: Any) -> None:
        """Calls until somebody answers, then takes or refuses the MQL."""
        path = f"/v1/prospects/{prospect['id']}"
        for _ in range(TRIES):
            await self.floor.pause(15)
            connected = self.chance.happens(CONNECTED)
            call: dict[str, Any] = {"kind": "call", "outcome": "connected" if connected else "no_answer"}
            await self.say(f"{path}/activities", call | {"note": self.chance.choice(company.CALL_NOTES)})
            self.did("call")
            if connected:
                break
        else:
            await self.say(f"{path}/reject", {"reason": "unreachable"})
            self.did("rejected")
            return
        if self.chance.happens(ACCEPTED):
            await self.say(f"{path}/accept")
            self.did("accepted")
        else:
            await self.say(f"{path}/reject", {"reason": self.a_code("reject")})
            self.did("rejected")

    async def _bring_to_an_end(self, prospect: Any) -> None:
        path = f"/v1/prospects/{prospect['id']}"
        await self.say(f"{path}/activities", {"kind": "call", "outcome": "connected"})
        if self.chance.happens(SQL * self.who.skill):
            await self._hand_over(path, prospect)
        else:
            await self.say(f"{path}/drop", {"reason": self.a_code("drop")})
            self.did("dropped")

    async def _hand_over(self, path: str, prospect: Any) -> None:
        """With an appointment where one of the reps nearby has time."""
        codes = self.floor.codes
        note: dict[str, Any] = {
            item: self.chance.code([code for code in codes[item] if code.passes]).code for item in ITEMS
        }
        note |= {"product": prospect["product"] or "business", "comment": self.chance.choice(company.CALL_NOTES)}
        reps = sorted(company.FIELD_SALES, key=lambda rep: (rep.region != prospect["region"], self.chance.random()))
        for rep in reps:
            try:
                await self.say(f"{path}/hand-over", note | {"appointment": self._appointment(rep)})
                break
            except Refused as refused:
                if refused.rule not in TAKEN:
                    raise
        else:
            await self.say(f"{path}/hand-over", note)
        self.did("sql")

    def _appointment(self, rep: company.Person) -> dict[str, Any]:
        """In one to four simulated days, whatever hour that is on our clock."""
        wait = self.floor.seconds(self.chance.uniform(1, 4) * OFFICE_DAY)
        start = datetime.now(UTC) + timedelta(seconds=wait + 2)
        return {"start_at": wire_time(start), "minutes": MEETING, "rep": rep.id, "place": "online"}
