"""After the win: onboarding, use, satisfaction, tickets, more and less MRR, renewal, and why some leave."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from deploy.simulate import company
from deploy.simulate.acts import Act, Body, jpy
from deploy.simulate.chance import Chance, Codes
from deploy.simulate.company import Person
from deploy.simulate.crowd import Account
from shared.clock import day_of, start_of_day

USAGE_WEEKS = 26  # of use are told before the end
MONTHS = {"expansion": 0.028, "contraction": 0.010, "churn": 0.006}
"""The chance a month of a customer of average health."""


@dataclass(frozen=True, slots=True)
class Ticket:
    number: int
    opened_at: datetime
    closed_at: datetime | None
    kind: str
    priority: str
    subject: str
    satisfaction: int | None


@dataclass
class Customer:
    """`health` from 0 to 1 drives everything; `contract` is the path of its contract."""

    account: Account
    contract: str
    csm: Person
    health: float
    started_at: datetime
    mrr: int
    promises: int = 0
    left_on: date | None = None
    churn_reason: str | None = None
    acts: list[Act] = field(default_factory=list)
    tickets: list[Ticket] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"/v1/customers/ext:{self.account.external_id}"

    def says(self, at: datetime, path: str, body: Body) -> None:
        self.acts.append(Act(at, self.csm, "customer_success", path, body))


def tell_customer(
    chance: Chance,
    codes: Codes,
    account: Account,
    *,
    contract: str,
    started_at: datetime,
    mrr: int,
    end: date,
    promises: int = 0,
    onboarded: bool = True,
) -> Customer:
    """The whole life until `end`. `onboarded`: this system saw the beginning and so has an onboarding plan."""
    csm, health = chance.choice(company.CUSTOMER_SUCCESS), min(0.98, max(0.1, chance.betavariate(4, 1.8)))
    customer = Customer(account, contract, csm, health, started_at, mrr, promises)
    if onboarded:
        _onboard(chance, codes, customer)
    _run(chance, codes, customer, end)
    gone = start_of_day(customer.left_on) if customer.left_on else start_of_day(end)
    last = min(gone, start_of_day(end))
    customer.acts = [act for act in customer.acts if act.at < last]
    _listen(chance, customer, last)
    _help(chance, codes, customer, last)
    customer.acts.sort(key=lambda act: act.at)
    return customer


def _onboard(chance: Chance, codes: Codes, customer: Customer) -> None:
    """The tasks of the plan, one after another; the unhealthy are late, and some never finish."""
    at, pace = customer.started_at, 1.6 - customer.health
    for task in codes["onboarding"]:
        at = chance.later(at, 2 * pace, 12 * pace)
        customer.says(at, f"{customer.path}/onboarding/{task.code}/complete", {})
        if not chance.happens(0.80 + customer.health * 0.2):
            return


def _run(chance: Chance, codes: Codes, customer: Customer, end: date) -> None:
    """Month by month: more MRR, less, or gone; every twelfth the renewal."""
    month, renewal = customer.started_at, day_of(customer.started_at)
    renewal = _years_on(renewal, 1)
    while customer.left_on is None:
        month = chance.office_hour(month + timedelta(days=chance.uniform(27, 34)))
        if day_of(month) >= end:
            return
        if (renewal - day_of(month)).days < 35:
            _renew(chance, codes, customer, month, renewal)
            renewal, month = _years_on(renewal, 1), month + timedelta(days=1)
        else:
            _change(chance, codes, customer, month)


def _renew(chance: Chance, codes: Codes, customer: Customer, at: datetime, renewal: date) -> None:
    if chance.happens(0.72 + customer.health * 0.25):
        customer.says(at, f"{customer.contract}/renew", {"term_months": 12})
        return
    _leave(chance, codes, customer, at, renewal)


def _leave(chance: Chance, codes: Codes, customer: Customer, at: datetime, on: date) -> None:
    customer.left_on, customer.churn_reason = on, chance.code(codes["churn"]).code
    body = {"reason": customer.churn_reason, "churned_on": on.isoformat()}
    customer.says(at, f"{customer.contract}/churn", body)


def _change(chance: Chance, codes: Codes, customer: Customer, at: datetime) -> None:
    roll, health = chance.random(), customer.health
    more, less = MONTHS["expansion"] * (0.4 + health), MONTHS["contraction"] * (1.7 - health)
    if roll < more:
        _reprice(chance, customer, at, chance.uniform(1.12, 1.5), ("seats_added", "upsell", "plan_upgrade"))
    elif roll < more + less:
        _reprice(chance, customer, at, chance.uniform(0.6, 0.88), ("seats_removed", "plan_downgrade", "discount"))
    elif roll > 1 - MONTHS["churn"] * (1.8 - health):
        _leave(chance, codes, customer, at, day_of(at) + timedelta(days=chance.randint(1, 30)))


def _reprice(chance: Chance, customer: Customer, at: datetime, factor: float, reasons: tuple[str, ...]) -> None:
    customer.mrr = round(customer.mrr * factor / 1000) * 1000
    customer.says(at, f"{customer.contract}/change", {"mrr": jpy(customer.mrr), "reason": chance.choice(reasons)})


def _listen(chance: Chance, customer: Customer, last: datetime) -> None:
    """Promises reviewed after a quarter; scores and reviews from then on."""
    at = chance.later(customer.started_at, 75, 100)
    for number in range(1, customer.promises + 1):
        kept = chance.weighted((("yes", customer.health), ("partly", 0.25), ("no", (1 - customer.health) * 0.6)))
        if at < last:
            customer.says(at, f"{customer.path}/promises/{number}/review", {"kept": kept})
    while (at := chance.later(at, 80, 150)) < last:
        feeling = min(1.0, max(0.0, chance.gauss(customer.health, 0.12)))
        customer.says(at, f"{customer.path}/pulse", {"kind": "csm", "score": 1 + round(feeling * 4)})
        if chance.random() < 0.5:
            nps = {"kind": "nps", "score": round(feeling * 10), "respondent_role": "decision_maker"}
            customer.says(at + timedelta(minutes=30), f"{customer.path}/pulse", nps)
        if chance.random() < 0.35:
            customer.says(at + timedelta(hours=1), f"{customer.path}/signals", {"kind": "review_held"})


def _help(chance: Chance, codes: Codes, customer: Customer, last: datetime) -> None:
    at = customer.started_at
    while (at := chance.later(at, 12, 150 * (0.4 + customer.health))) < last:
        closed = chance.later(at, 0.1, 9 * (1.4 - customer.health))
        customer.tickets.append(
            Ticket(
                number=len(customer.tickets) + 1,
                opened_at=at,
                closed_at=closed if closed < last else None,
                kind=chance.code(codes["ticket_kind"]).code,
                priority=chance.weighted((("low", 0.3), ("normal", 0.5), ("high", 0.16), ("urgent", 0.04))),
                subject=chance.choice(company.TICKET_SUBJECTS),
                satisfaction=min(5, max(1, round(chance.gauss(1 + customer.health * 4, 0.9)))),
            )
        )


def usage_of(chance: Chance, customer: Customer, end: date) -> Iterator[tuple[date, str, int, int]]:
    """Day, feature, count and active users, once a week; before somebody leaves, use falls away."""
    since = max(day_of(customer.started_at) + timedelta(days=7), end - timedelta(weeks=USAGE_WEEKS))
    seats = max(3, customer.mrr // 6_000)
    breadth = 1 + round(customer.health * 3)
    day = since
    while day < min(end, customer.left_on or end):
        fading = min(1.0, (customer.left_on - day).days / 120) if customer.left_on else 1.0
        for place in range(breadth):
            users = round(seats * (0.35 + 0.6 * customer.health) * fading / (1 + place * 0.5))
            count = round(users * chance.uniform(4, 12))
            if count:
                yield day, company.FEATURES[place], count, users
        day += timedelta(days=7)


def _years_on(day: date, years: int) -> date:
    """The 29th of February renews on the 28th."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)
