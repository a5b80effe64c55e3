"""Marketing: people found, their interest, visitors and spend; who was let go comes back."""

from datetime import UTC, datetime
from typing import Any

from deploy.simulate import company
from deploy.simulate.company import Channel
from deploy.simulate.crowd import Crowd, Prospect
from deploy.simulate.floor.colleague import OFFICE_DAY, Colleague
from shared.clock import day_of

BUSINESS_DAYS_A_YEAR = 245
LEADS_A_DAY = sum(channel.visitors * channel.lead_rate for channel in company.CHANNELS) * 365 / BUSINESS_DAYS_A_YEAR
HOT = 0.45  # of those who come in ask for something
ASKED = ("demo_request", "contact_request")
INTEREST = ("web_visit", "email_open", "email_click", "content_download", "webinar", "pricing_view")


class Marketer(Colleague):
    """Takes new people in, and keeps in touch with those who are known."""

    service = "marketing"
    every = OFFICE_DAY / LEADS_A_DAY * len(company.MARKETING)

    def __init__(self, *given: Any, crowd: Crowd) -> None:
        super().__init__(*given)
        self._crowd = crowd

    async def work(self) -> None:
        by_leads = [(channel, channel.visitors * channel.lead_rate) for channel in company.CHANNELS]
        channel, person = self.chance.weighted(by_leads), self._crowd.person()
        lead = await self.say("/v1/leads", self._told_of(channel, person))
        self.did("lead")
        for kind in self.chance.sample(INTEREST, self.chance.randint(1, 3)):
            await self._touch(lead["id"], kind)
        if self.chance.happens(HOT * channel.fit):
            await self._touch(lead["id"], self.chance.choice(ASKED))

    async def _touch(self, lead_id: str, kind: str) -> None:
        await self.floor.pause(12)
        touch = {"kind": kind, "content": self.chance.choice(company.CONTENTS)}
        told = await self.say(f"/v1/leads/{lead_id}/touches", touch)
        self.did("mql" if told["mql"] else "touch")

    def _told_of(self, channel: Channel, person: Prospect) -> dict[str, Any]:
        account = person.account
        product = company.PRODUCTS[{"SMB": 0, "MID": 1, "ENT": 2}[account.segment]]
        return {
            "external_id": person.external_id,
            "email": person.email,
            "name": person.name,
            "name_kana": person.kana,
            "phone": person.phone,
            "company": account.name,
            "employees": account.employees,
            "prefecture": account.prefecture,
            "department": person.department,
            "job_title": person.job_title,
            "channel": channel.code,
            "campaign": self.chance.choice(channel.campaigns),
            "content": self.chance.choice(company.CONTENTS),
            "segment": account.segment,
            "industry": account.industry,
            "product": product.code,
            "price_band": product.price_band,
            "region": account.region,
            "consent": True,
        }


class Nurturer(Colleague):
    """Keeps in touch with those who are not ready; now and then one of them, often a recycled lead, asks again."""

    service = "marketing"
    every = 40.0

    async def work(self) -> None:
        again = self.chance.random() < 0.6
        query = {"cycle": 2} if again else {}
        leads = await self.see("/v1/leads", stage="nurturing", sort="-updated_at", **query)
        if not leads:
            return
        lead, asks = self.chance.choice(leads), self.chance.random() < (0.15 if again else 0.04)
        touch = {"kind": self.chance.choice(ASKED if asks else INTEREST)}
        told = await self.say(f"/v1/leads/{lead['id']}/touches", touch)
        self.did("mql" if told["mql"] else "touch")
        if told["mql"] and lead["cycle"] > 1:
            self.did("recycled lead is back")


class Counter(Colleague):
    """Tells visitors every hour and spend once a day; a day's row is replaced by what it has come to."""

    service = "marketing"
    every = 60.0

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._hours = 0

    async def work(self) -> None:
        self._hours += 1
        today = day_of(datetime.now(UTC)).isoformat()
        for channel in company.CHANNELS:
            share = channel.visitors * 1.5 * 60 / OFFICE_DAY
            visitors = max(0, round(self.chance.gauss(share, share * 0.3)))
            await self._add("/v1/visits", {"date": today, "channel": channel.code}, "visitors", visitors)
            if channel.spend and self._hours % 9 == 0:
                await self._add("/v1/spend", {"date": today, "channel": channel.code}, "amount", channel.spend)
        self.did("visits")

    async def _add(self, path: str, day: dict[str, str], field: str, more: int) -> None:
        rows = [row for row in await self.see(path, **day) if row["campaign"] is None]
        known = rows[0][field] if rows else 0
        told = (known["amount"] if isinstance(known, dict) else known) + more
        await self.say(path, {**day, field: {"amount": told, "currency": "JPY"} if field == "amount" else told})
