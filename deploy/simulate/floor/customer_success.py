"""Customer success: brings customers in, listens, helps, renews, and sometimes loses one."""

from datetime import UTC, datetime
from typing import Any

from deploy.simulate import company
from deploy.simulate.acts import jpy
from deploy.simulate.floor.colleague import Colleague
from shared.clock import day_of

RENEWED, LEAVES = 0.88, 0.04
USED_AT_ONCE = 20  # customers whose use is told together


class SuccessManager(Colleague):
    service = "customer_success"
    every = 45.0

    async def work(self) -> None:
        newcomers = await self.see("/v1/customers", status="onboarding")
        if newcomers and self.chance.random() < 0.5:
            await self._onboard(self.chance.choice(newcomers))
            return
        customers = await self.see(
            "/v1/customers", status="active", sort=self.chance.choice(("created_at", "-updated_at"))
        )
        if not customers:
            return
        acts = (
            (self._listen, 0.35),
            (self._help, 0.3),
            (self._talk_terms, 0.1),
            (self._renew, 0.1),
            (self._review, 0.15),
        )
        await self.chance.weighted(acts)(self.chance.choice(customers))

    async def _onboard(self, customer: Any) -> None:
        path = f"/v1/customers/{customer['id']}"
        plan = await self.floor.voices.get(self.service, f"{path}/onboarding", self.who)
        task = next((task for task in plan["tasks"] if task["completed_at"] is None), None)
        if task:
            await self.say(f"{path}/onboarding/{task['key']}/complete")
            self.did("onboarding task")

    async def _listen(self, customer: Any) -> None:
        kind, scale = self.chance.choice((("nps", (3, 10)), ("csat", (2, 5)), ("csm", (2, 5))))
        pulse = {"kind": kind, "score": self.chance.randint(*scale), "respondent_role": "champion"}
        await self.say(f"/v1/customers/{customer['id']}/pulse", pulse)
        self.did("pulse")

    async def _help(self, customer: Any) -> None:
        waiting = await self.see("/v1/tickets", status="open", owner=self.who.id)  # others close theirs at this moment
        if waiting and self.chance.random() < 0.55:
            closed = {"satisfaction": self.chance.randint(2, 5)}
            await self.say(f"/v1/tickets/{self.chance.choice(waiting)['id']}/close", closed)
            self.did("ticket closed")
            return
        ticket = {"customer_id": customer["id"], "kind": self.a_code("ticket_kind"), "owner": self.who.id}
        ticket |= {"priority": self.chance.choice(("low", "normal", "high"))}
        await self.say("/v1/tickets", ticket | {"subject": self.chance.choice(company.TICKET_SUBJECTS)})
        self.did("ticket opened")

    async def _talk_terms(self, customer: Any) -> None:
        contracts = await self.see("/v1/contracts", customer_id=customer["id"], status="active")
        paid = [contract for contract in contracts if contract["mrr"] and contract["mrr"]["amount"]]
        if not paid:
            return
        contract = self.chance.choice(paid)
        if self.chance.random() < LEAVES:
            await self._leave(contract["id"])
            return
        more = self.chance.random() < 0.75
        factor = self.chance.uniform(1.08, 1.3) if more else self.chance.uniform(0.7, 0.9)
        mrr = jpy(round(contract["mrr"]["amount"] * factor / 1000) * 1000)
        body = {"mrr": mrr, "reason": "seats_added" if more else "seats_removed"}
        await self.say(f"/v1/contracts/{contract['id']}/change", body)
        self.did("expansion" if more else "contraction")

    async def _leave(self, contract_id: str) -> None:
        await self.say(f"/v1/contracts/{contract_id}/churn", {"reason": self.a_code("churn")})
        self.did("churn")

    async def _renew(self, _: Any) -> None:
        due = (await self.floor.voices.get(self.service, "/v1/renewals", self.who, within=30))["items"]
        if not due:
            return
        contract = due[0]["contract_id"]
        if due[0]["ends_on"]:  # a notice was given
            return
        if self.chance.happens(RENEWED):
            await self.say(f"/v1/contracts/{contract}/renew", {"term_months": 12})
            self.did("renewal")
        else:
            await self._leave(contract)

    async def _review(self, customer: Any) -> None:
        path = f"/v1/customers/{customer['id']}/promises"
        open_ones = [
            row for row in (await self.floor.voices.get(self.service, path, self.who))["items"] if not row["kept"]
        ]
        if open_ones:
            kept = self.chance.weighted((("yes", 0.7), ("partly", 0.2), ("no", 0.1)))
            await self.say(f"{path}/{open_ones[0]['number']}/review", {"kept": kept})
            self.did("promise reviewed")


class Product(Colleague):
    """What customers do with the product today."""

    service = "customer_success"
    every = 120.0

    async def work(self) -> None:
        customers = await self.see("/v1/customers", status="active")
        today = day_of(datetime.now(UTC)).isoformat()
        rows = [
            {
                "customer_id": customer["id"],
                "date": today,
                "feature": self.chance.choice(company.FEATURES),
                "count": self.chance.randint(20, 400),
                "active_users": self.chance.randint(2, 40),
            }
            for customer in self.chance.sample(customers, min(USED_AT_ONCE, len(customers)))
        ]
        if rows:
            await self.say("/v1/usage:batch", {"items": rows})
            self.did("usage")
