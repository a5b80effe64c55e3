"""The whole company over its history: everything files and people will tell, ordered and cut at the end."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from deploy.simulate import company, feedback
from deploy.simulate.acts import Act, Field, cycle_acts, jpy
from deploy.simulate.chance import Chance, Codes
from deploy.simulate.company import Product
from deploy.simulate.crowd import Account, Crowd
from deploy.simulate.customers import Customer, tell_customer, usage_of
from deploy.simulate.deals import Deal, tell_deal
from deploy.simulate.feedback import Topic, item_acts
from deploy.simulate.story import Cycle, Lead, Teller, days
from shared.clock import TOKYO, start_of_day

OLD_BOOK = 40
OUTSIDE = (("partner", 0.5), ("referral", 0.3), ("self_sourced", 0.2))
OUTSIDE_A_MONTH = 1.6
GENERAL_FEEDBACK_A_MONTH = 4


@dataclass(frozen=True, slots=True)
class Thread:
    """Calls that follow each other; `lead` is whose opportunities they speak of, `account` whose company, by external
    ids."""

    acts: tuple[Act, ...]
    lead: str | None = None
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Contract:
    """Of the old book: signed before this system came."""

    external_id: str
    account: Account
    product: Product
    signed_on: date
    mrr: int


@dataclass
class Chronicle:
    start: date
    end: date
    prefix: str
    accounts: list[Account] = field(default_factory=list)
    visits: list[tuple[date, str, int]] = field(default_factory=list)
    spend: list[tuple[date, str, int]] = field(default_factory=list)
    leads: list[Lead] = field(default_factory=list)
    old_book: list[Contract] = field(default_factory=list)
    customers: list[Customer] = field(default_factory=list)
    usage: list[tuple[str, date, str, int, int]] = field(default_factory=list)
    threads: list[Thread] = field(default_factory=list)

    @property
    def calls(self) -> int:
        return sum(len(thread.acts) for thread in self.threads)


def tell(seed: int, months: int, end: date, codes: Codes) -> Chronicle:
    """`months` of history up to the beginning of `end`, the same for the same seed, end and lists of codes."""
    return _Chronicler(seed, months, end, codes).tell()


class _Chronicler:
    def __init__(self, seed: int, months: int, end: date, codes: Codes) -> None:
        self._codes = codes
        self._seed = seed
        self._crowd = Crowd(f"S{seed}-", self._chance("crowd"))
        self._teller = Teller(self._chance("leads"), self._crowd, codes)
        self._customers, self._feedback = self._chance("customers"), self._chance("feedback")
        self._items = 0
        self._under_contract: set[str] = set()
        self._told = Chronicle(end - timedelta(days=round(months * 30.44)), end, f"S{seed}-")

    def _chance(self, what: str) -> Chance:
        return Chance(f"{self._seed} {what}")

    def tell(self) -> Chronicle:
        told = self._told
        for number in range(1, OLD_BOOK + 1):
            self._old_contract(number)
        for day in days(told.start, told.end):
            for channel in company.CHANNELS:
                visitors = self._teller.visitors(day, told.start, channel)
                told.visits.append((day, channel.code, visitors))
                if channel.spend:
                    told.spend.append((day, channel.code, self._spent(channel.spend)))
                told.leads += self._teller.leads_of(day, channel, visitors)
        for lead in told.leads:
            self._follow(lead)
        self._outside_deals()
        self._general_feedback()
        told.accounts = self._crowd.accounts
        told.threads.sort(key=lambda thread: thread.acts[0].at)
        return told

    def _spent(self, usual: int) -> int:
        return round(self._teller.chance.gauss(usual, usual * 0.15) / 100) * 100

    def _keep(self, acts: Iterable[Act], lead: str | None = None, account: str | None = None) -> None:
        if told := tuple(acts):
            self._told.threads.append(Thread(told, lead, account))

    def _before_end(self, acts: Iterable[Act]) -> Iterator[Act]:
        end = start_of_day(self._told.end)
        for act in acts:
            if act.at >= end:
                return
            yield act

    def _follow(self, lead: Lead) -> None:
        """All cycles of a lead are one thread, since each begins where the last one ended."""
        acts: list[Act] = []
        customer = None
        for cycle in lead.cycles:
            acts += self._before_end(cycle_acts(lead, cycle, self._told.end))
            if cycle.deal and cycle.deal.won:
                customer = self._customer(lead.person.account, cycle.deal)
        acts += customer.acts if customer else ()
        for cycle in lead.cycles:
            acts += self._reactions(lead, cycle)
        acts += self._of_customer(customer) if customer else ()
        self._keep(acts, lead.person.external_id)

    def _customer(self, account: Account, deal: Deal) -> Customer | None:
        """None where the deal is not won yet when the history ends, or the company is a customer already."""
        if deal.closed_at >= start_of_day(self._told.end) or account.external_id in self._under_contract:
            return None
        return self._live(account, "/v1/contracts/{contract}", deal.closed_at, deal.mrr, len(deal.promises), True)

    def _live(
        self, account: Account, contract: str, at: datetime, mrr: int, promises: int, onboarded: bool
    ) -> Customer:
        customer = tell_customer(
            self._customers,
            self._codes,
            account,
            contract=contract,
            started_at=at,
            mrr=mrr,
            end=self._told.end,
            promises=promises,
            onboarded=onboarded,
        )
        self._told.customers.append(customer)
        name = account.external_id
        self._under_contract.add(name)
        self._told.usage += [(name, *row) for row in usage_of(self._customers, customer, self._told.end)]
        return customer

    def _old_contract(self, number: int) -> None:
        chance, account = self._customers, self._crowd.account()
        product = company.PRODUCTS[{"SMB": 0, "MID": 1, "ENT": 2}[account.segment]]
        signed = self._told.start - timedelta(days=chance.randint(5, 355))
        contract = Contract(
            external_id=f"{self._told.prefix}C{number:04d}",
            account=account,
            product=product,
            signed_on=signed,
            mrr=round(chance.uniform(*product.mrr) / 1000) * 1000,
        )
        self._told.old_book.append(contract)
        at = datetime.combine(signed, datetime.min.time(), TOKYO) + timedelta(hours=11)
        customer = self._live(account, f"/v1/contracts/ext:{contract.external_id}", at, contract.mrr, 0, False)
        self._keep(customer.acts)
        self._keep(self._of_customer(customer))

    def _outside_deals(self) -> None:
        """Opportunities no SQL preceded: from partners, by referral, found by field sales itself."""
        chance, told = self._customers, self._told
        for day in days(told.start, told.end):
            if chance.random() > OUTSIDE_A_MONTH / 30.44:
                continue
            account, at = self._crowd.account(), chance.office_hour(chance.moment(day, 9, 17))
            rep, product = chance.choice(company.FIELD_SALES), chance.choice(company.PRODUCTS)
            deal = tell_deal(
                chance, self._codes, rep=rep, product=product, segment=account.segment, fit=1.3, at=at, answers={}
            )
            name = f"{told.prefix}O{len(told.threads):05d}"
            body, learns = self._opening(chance, account, deal, name), {"opportunity": "id"}
            opening = Act(at, rep, "field_sales", "/v1/opportunities", body, learns=learns)
            customer = self._customer(account, deal) if deal.won else None
            run = self._before_end((opening, *Field("opportunity").run(deal, told.end)))
            self._keep([*run, *(customer.acts if customer else ())], account=account.external_id)

    @staticmethod
    def _opening(chance: Chance, account: Account, deal: Deal, external_id: str) -> dict[str, object]:
        return {
            "origin": chance.weighted(OUTSIDE),
            "external_id": external_id,
            "account_id": "{account}",
            "mrr": jpy(deal.mrr),
            "expected_close_date": deal.expected_close.isoformat(),
            "product": deal.product.code,
            "price_band": deal.product.price_band,
            "segment": account.segment,
            "industry": account.industry,
            "region": account.region,
            "owner": deal.rep.id,
        }

    def _reactions(self, lead: Lead, cycle: Cycle) -> Iterator[Act]:
        """What a cycle gives occasion to say."""
        deal, opportunity = cycle.deal, ({"kind": "opportunity", "id": f"{{opportunity{cycle.number}}}"},)
        if cycle.rejected_at:
            yield from self._maybe(0.2, feedback.REJECTED, cycle.rejected_at, ({"kind": "lead", "id": "{lead}"},))
        if deal is None:
            return
        if deal.reviewed_at and deal.found != cycle.answers:
            yield from self._maybe(0.15, feedback.GAP, deal.reviewed_at, opportunity)
        if deal.reason:
            topic, often = (feedback.FEATURE, 0.7) if deal.reason.code == "missing_feature" else (feedback.LOST, 0.15)
            yield from self._maybe(often, topic, deal.closed_at, opportunity)
        if deal.won:
            yield from self._maybe(0.2, feedback.PRAISE, deal.closed_at, opportunity)

    def _of_customer(self, customer: Customer) -> Iterator[Act]:
        for act in customer.acts:
            if act.body.get("kept") in ("no", "partly"):
                yield from self._maybe(0.4, feedback.EXPECTATION, act.at)
            if act.body.get("kind") == "nps":
                yield from self._maybe(0.05, feedback.VOICE if act.body["score"] >= 9 else feedback.WISH, act.at)
            if act.path.endswith("/churn"):
                yield from self._maybe(0.8, self._feedback.choice((feedback.CHURNED, feedback.FIT)), act.at)

    def _maybe(self, likelihood: float, topic: Topic, at: datetime, refs: tuple[dict[str, str], ...] = ()) -> list[Act]:
        if not self._feedback.happens(likelihood):
            return []
        at = self._feedback.later(at, 0.02, 3)
        return list(self._before_end(item_acts(self._feedback, topic, self._item(), at, refs)))

    def _general_feedback(self) -> None:
        """What no single case gives occasion to: wishes between departments, spread over time, each topic at least
        once."""
        chance, length = self._feedback, (self._told.end - self._told.start).days - 4
        count = max(len(feedback.GENERAL), round(length * GENERAL_FEEDBACK_A_MONTH / 30.44))
        for number in range(count):
            day = self._told.start + timedelta(days=int((number + chance.random()) * length / count))
            at, name = chance.office_hour(chance.moment(day, 9, 17)), self._item()
            topic = feedback.GENERAL[number % len(feedback.GENERAL)]
            self._keep(self._before_end(item_acts(chance, topic, name, at)))

    def _item(self) -> str:
        """The external id of the next feedback."""
        self._items += 1
        return f"{self._told.prefix}F{self._items:05d}"
