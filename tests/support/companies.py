"""Companies as they could have been, drawn by a number: every step of them may follow the one before.

People come, are sent back, come again and are merged; deals are lost, reopened, won or nobody's; contracts grow,
shrink, end and begin anew, in two currencies; some of it is recorded long after it occurred.
"""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from deploy.history.telling import Telling
from shared.contracts import EVENTS
from shared.ids import told_id
from shared.money import Money
from tests.support.kpi_history import ACCEPTED, CUSTOMER, ENDED, LOST, NEW, NEXT, OPEN, RETURNED, Step

BEGINS, ENDS = datetime(2025, 1, 6, tzinfo=UTC), datetime(2025, 8, 20, tzinfo=UTC)
RATES = {"USD": 150}
CHANNELS, SEGMENTS, REGIONS = ("ads", "event", "organic"), ("SMB", "ENT"), ("east", "west")
PRODUCTS, CAMPAIGNS, BANDS = ("crm", "sfa"), ("spring", "summer"), ("low", "high")
CLASSES = {name.split(".")[1]: kind for name, kind in EVENTS.items()}
SOURCES = {ACCEPTED: "no_opportunity", RETURNED: "sql_returned", LOST: "deal_lost", CUSTOMER: "dormant_customer"}
STEPS_A_CYCLE = 14


class Way(NamedTuple):
    """A person's cycle, or a deal nobody is known behind."""

    name: str
    lead: UUID | None
    cycle: int | None
    company: UUID
    tells_company: bool

    @property
    def deal(self) -> UUID:
        return told_id("opportunity", f"{self.name}/{self.cycle or 1}")

    @property
    def contract(self) -> dict[str, UUID]:
        return {"account_id": self.company, "contract_id": told_id("contract", f"{self.name}/{self.cycle or 1}")}

    @property
    def who(self) -> dict[str, Any]:
        return {"lead_id": self.lead, "cycle": self.cycle} if self.lead else {}


def a_company(seed: int, people: int = 60, own_deals: int = 8) -> list[Telling]:
    """Everything told of it, in no particular order; `own_deals` are those no SQL preceded."""
    return _Company(seed).history(people, own_deals)


class _Company:
    def __init__(self, seed: int) -> None:
        self._chance, self._seed = random.Random(seed), seed
        self._told: list[Telling] = []
        self._moments: set[datetime] = set()
        self._paid: dict[UUID, Money] = {}

    def history(self, people: int, own_deals: int) -> list[Telling]:
        for number in range(people):
            self._person(f"{self._seed}/{number}")
        for number in range(own_deals):
            self._own_deal(f"{self._seed}/own {number}", linked=number % 2 == 0)
        self._visits()
        self._merges(people)
        return self._told

    def _pick(self, *of: Any) -> Any:
        """One of them; as often nothing as any of them."""
        return self._chance.choice([*of, None])

    def _later(self, at: datetime, most: float) -> datetime:
        """No two things occur at one moment."""
        found = at + timedelta(seconds=self._chance.randint(60, int(most * 86_400)))
        while found in self._moments:
            found += timedelta(seconds=1)
        self._moments.add(found)
        return found

    def _tell(self, kind: str, at: datetime, key: object, **data: Any) -> None:
        """Nothing is told of what lies behind the end; one of six things is recorded late."""
        if at >= ENDS:
            return
        event = CLASSES[kind].model_validate({name: value for name, value in data.items() if value is not None})
        late = self._chance.random() * 40 if self._chance.random() < 1 / 6 else 0
        told = timedelta(days=late)
        self._told.append(Telling(event, told_id("event", f"{self._seed} {len(self._told)}"), str(key), at, at + told))

    # People

    def _company_of(self, name: str) -> UUID:
        return told_id("account", f"{self._seed}/{sum(map(ord, name)) % 17}")

    def _person(self, name: str) -> None:
        at, lead = self._later(BEGINS, 150), told_id("lead", name)
        way = Way(name, lead, 1, self._company_of(name), self._chance.random() < 0.6)
        known = {"channel": self._pick(*CHANNELS), "segment": self._pick(*SEGMENTS), "region": self._pick(*REGIONS)}
        known |= {"campaign": self._pick(*CAMPAIGNS), "owner": self._pick("mk-1", "mk-2")}
        company = way.company if way.tells_company else None
        self._tell("lead_created", at, lead, **way.who, **known, account_id=company)
        self._goes_on(way, NEW, at)

    def _own_deal(self, name: str, *, linked: bool) -> None:
        """A deal that no SQL preceded; of some the person becomes known."""
        way = Way(name, None, None, self._company_of(name), True)
        at = self._later(BEGINS, 120)
        self._open(way, at, self._chance.choice(["partner", "self_sourced"]))
        if linked:
            lead, at = told_id("lead", name), self._later(at, 5)
            self._tell("lead_created", at, lead, lead_id=lead, cycle=1, channel=self._pick(*CHANNELS))
            at = self._later(at, 2)
            self._tell("opportunity_linked", at, lead, lead_id=lead, cycle=1, opportunity_id=way.deal)
            self._goes_on(way._replace(lead=lead, cycle=1), OPEN, at)
        else:
            self._goes_on(way, OPEN, at)

    def _goes_on(self, way: Way, stage: str, at: datetime) -> None:
        """By steps that may follow, until it stays where it is, or comes again as its next cycle."""
        for _ in range(STEPS_A_CYCLE):
            if self._chance.random() < 0.08 or at >= ENDS:
                return
            before, (kind, stage) = stage, self._step(stage)
            at = self._later(at, 0.5 if kind in ("first_contact_made", "contract_started") else 9)
            if kind == "lead_recycled":
                if way.lead is not None and before != NEW:
                    self._again(way, before, at)
                return
            getattr(self, f"_{kind}", self._plain)(way, at, kind)
            if stage == ENDED and kind == "mql_rejected" and self._chance.random() < 0.2:
                at, stage = self._later(at, 3), ACCEPTED  # inside sales takes it after all
                self._plain(way, at, "mql_accepted")
            if stage == ENDED and not self._may_come_back():
                return

    def _step(self, stage: str) -> Step:
        """Of two thoughts the second counts where the first leads nowhere."""
        found = self._chance.choice(NEXT[stage])
        return self._chance.choice(NEXT[stage]) if found[1] in (NEW, ENDED, RETURNED) else found

    def _may_come_back(self) -> bool:
        data = self._told[-1].event.data() if self._told else {}
        return bool(data.get("recyclable", True) or data.get("revisit_on"))

    def _again(self, way: Way, ended: str, at: datetime) -> None:
        assert way.cycle
        if ended == CUSTOMER:
            self._tell("customer_dormant", self._later(at - timedelta(days=1), 0.5), way.lead, account_id=way.company)
        source = SOURCES.get(ended, self._chance.choice(["mql_rejected", "no_opportunity", "unfollowed"]))
        following = way._replace(cycle=way.cycle + 1)
        self._tell("lead_recycled", at, way.lead, **following.who, cycle_source=source)
        self._goes_on(following, NEW, at)

    def _plain(self, way: Way, at: datetime, kind: str) -> None:
        self._tell(kind, at, way.lead, **way.who, owner=self._pick("is-1", "is-2"))

    def _lead_updated(self, way: Way, at: datetime, kind: str) -> None:
        told = {"segment": self._pick(*SEGMENTS), "product": self._pick(*PRODUCTS), "channel": self._pick(*CHANNELS)}
        self._tell(kind, at, way.lead, **way.who, **told)

    def _mql_rejected(self, way: Way, at: datetime, kind: str) -> None:
        self._end(way, at, kind, reason=self._chance.choice(["not_icp", "unreachable"]))

    def _lead_dropped(self, way: Way, at: datetime, kind: str) -> None:
        self._end(way, at, kind, reason=self._chance.choice(["no_opportunity", "unfollowed"]))

    def _end(self, way: Way, at: datetime, kind: str, **data: Any) -> None:
        again = self._chance.random() < 0.7
        back = (at + timedelta(days=self._chance.randint(5, 40))).date() if again else None
        revisit = back if self._chance.random() < 0.5 else None
        self._tell(kind, at, way.lead or way.deal, **way.who, **data, recyclable=again, revisit_on=revisit)

    # Deals

    def _sql_accepted(self, way: Way, at: datetime, kind: str) -> None:
        self._tell(kind, at, way.lead, **way.who, opportunity_id=way.deal, owner=self._pick("is-1", "is-2"))

    def _sql_received(self, way: Way, at: datetime, kind: str) -> None:
        self._tell(kind, at, way.lead, **way.who, opportunity_id=way.deal)

    def _sql_returned(self, way: Way, at: datetime, kind: str) -> None:
        self._end(way, at, kind, opportunity_id=way.deal, reason="no_budget")

    def _opportunity_opened(self, way: Way, at: datetime, _: str) -> None:
        self._open(way, at, "sql")

    def _open(self, way: Way, at: datetime, origin: str) -> None:
        told = {"segment": self._pick(*SEGMENTS), "product": self._pick(*PRODUCTS), "price_band": self._pick(*BANDS)}
        told |= {"owner": self._pick("fs-1", "fs-2"), "channel": self._pick(*CHANNELS)}
        company = way.company if way.tells_company else None
        given = {**told, **self._worth(way), "origin": origin, "account_id": company}
        self._tell("opportunity_opened", at, way.lead or way.deal, **way.who, opportunity_id=way.deal, **given)

    def _worth(self, way: Way) -> dict[str, Money | None]:
        """Most deals recur, some are worth a sum, of some nobody says."""
        name = self._chance.choice(["mrr", "mrr", "mrr", "amount", None])
        return {name: self._money(way, self._chance.randint(2, 40) * 1000)} if name else {}

    def _money(self, way: Way, yen: int) -> Money:
        """Three companies of ten pay in dollars, and one in this or that."""
        code = "JPY" if way.company.int % 10 < 6 else "USD" if way.company.int % 10 < 9 else self._chance.choice("JU")
        dollars = code in ("USD", "U")
        return Money(amount=yen if not dollars else yen // 1000 * 700, currency="USD" if dollars else "JPY")

    def _opportunity_updated(self, way: Way, at: datetime, kind: str) -> None:
        told = {"segment": self._pick(*SEGMENTS), "owner": self._pick("fs-1", "fs-2"), **self._worth(way)}
        self._tell(kind, at, way.lead or way.deal, **way.who, opportunity_id=way.deal, **told)

    def _deal_won(self, way: Way, at: datetime, kind: str) -> None:
        billed = (at + timedelta(days=self._chance.randint(0, 50))).date() if self._chance.random() < 0.5 else None
        given = {**self._worth(way), "billing_starts_on": billed, "account_id": way.company}
        self._tell(kind, at, way.lead or way.deal, **way.who, opportunity_id=way.deal, **given)

    def _deal_lost(self, way: Way, at: datetime, kind: str) -> None:
        self._end(way, at, kind, opportunity_id=way.deal, reason=self._chance.choice(["price", "rival"]))

    def _deal_reopened(self, way: Way, at: datetime, kind: str) -> None:
        self._tell(kind, at, way.lead or way.deal, **way.who, opportunity_id=way.deal)

    # Customers

    def _contract_started(self, way: Way, at: datetime, kind: str) -> None:
        mrr, starts = self._money(way, self._chance.randint(2, 40) * 1000), date(at.year, at.month, 1)
        self._paid[way.deal] = mrr
        billed = starts + timedelta(days=self._chance.randint(0, 60)) if self._chance.random() < 0.5 else None
        given = {"opening_key": str(way.deal), "mrr": mrr, "starts_on": starts, "billing_starts_on": billed}
        self._tell(kind, at, way.lead or way.deal, **way.contract, **given)

    def _subscription_changed(self, way: Way, at: datetime, kind: str) -> None:
        """More, less, nothing any more, or something again."""
        paid, currency = self._paid[way.deal].amount, self._paid[way.deal].currency
        delta = self._chance.choice([3000, -(paid // 2000) * 1000, -paid]) if paid else 5000
        self._paid[way.deal] = Money(amount=paid + delta, currency=currency)
        if delta:
            money = Money(amount=delta, currency=currency)
            self._tell(kind, at, way.lead or way.deal, **way.contract, delta=money, segment=self._pick(*SEGMENTS))
        if paid and paid + delta == 0 and self._chance.random() < 0.6:
            self._tell("customer_churned", self._later(at, 1), way.lead or way.deal, **way.contract, reason="price")

    def _contract_renewed(self, way: Way, at: datetime, kind: str) -> None:
        given = {"renewal_on": date(at.year + 1, at.month, 1), "term_months": self._pick(12, 24)}
        self._tell(kind, at, way.lead or way.deal, **way.contract, **given)

    def _customer_accepted(self, way: Way, at: datetime, kind: str) -> None:
        given = {"account_id": way.company, "opportunity_id": way.deal, "owner": self._pick("cs-1")}
        self._tell(kind, at, way.lead or way.deal, **way.who, **given)

    def _onboarding_completed(self, way: Way, at: datetime, kind: str) -> None:
        self._tell(kind, at, way.lead or way.deal, account_id=way.company)

    # What nobody in particular does

    def _visits(self) -> None:
        """By week and channel; some are told again."""
        for week in range(28):
            at = BEGINS + timedelta(days=7 * week)
            for channel in CHANNELS[:2]:
                for _ in range(self._chance.choice([1, 1, 2])):
                    told = {"date": at.date(), "channel": channel, "visitors": self._chance.randint(20, 90)}
                    self._tell("visits_recorded", self._later(at, 3), "visits", **told)

    def _merges(self, people: int) -> None:
        for number in range(0, people // 8):
            one, other = (told_id("lead", f"{self._seed}/{place}") for place in (number, number + people // 2))
            self._tell("lead_merged", self._later(BEGINS, 200), one, lead_id=one, merged_lead_id=other)
        for number in range(2):
            one, other = (told_id("account", f"{self._seed}/{place}") for place in (number, number + 8))
            self._tell("account_merged", self._later(BEGINS, 200), one, account_id=one, merged_account_id=other)
