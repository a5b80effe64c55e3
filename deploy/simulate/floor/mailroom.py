"""The reverse flow, live: everybody gives feedback now and then, answers what they were given, closes what helped."""

from typing import Any

from deploy.simulate.feedback import GENERAL, service_of
from deploy.simulate.floor.colleague import Colleague

CHANGES = {topic.text: topic.change for topic in GENERAL}
WILLING = 0.8


class Correspondent(Colleague):
    """`department` is whose box it is."""

    every = 150.0

    def __init__(self, *given: Any, department: str) -> None:
        super().__init__(*given)
        self._department = department
        self.service = service_of(department)

    async def work(self) -> None:
        received = await self.see("/v1/feedback", receiver=self._department, sort="-created_at")
        waiting = [row for row in received if row["state"] in ("given", "acknowledged", "accepted")]
        sent = await self.see("/v1/feedback", sender=self._department, sort="-created_at")
        answered = [row for row in sent if row["state"] in ("acted", "declined")]
        if waiting and self.chance.random() < 0.6:
            await self._answer(waiting[-1])
        elif answered and self.chance.random() < 0.7:
            await self.say(f"/v1/feedback/{answered[-1]['id']}/close", {"useful": self.chance.random() < 0.75})
            self.did("feedback closed")
        else:
            await self._give()

    async def _answer(self, row: Any) -> None:
        path = f"/v1/feedback/{row['id']}"
        match row["state"]:
            case "given":
                await self.say(f"{path}/acknowledge")
            case "acknowledged" if self.chance.happens(WILLING):
                await self.say(f"{path}/decide", {"accept": True})
            case "acknowledged":
                await self.say(f"{path}/decide", {"accept": False, "reason": "今期は見送り"})
            case _:
                await self.say(f"{path}/act", {"change": CHANGES.get(row["text"], "手順を見直し")})
        self.did("feedback answered")

    async def _give(self) -> None:
        topic = self.chance.choice([topic for topic in GENERAL if topic.sender == self._department])
        body = {"to": topic.to, "kind": topic.kind, "text": topic.text, "sender": topic.sender}
        await self.say("/v1/feedback", body)
        self.did("feedback given")
