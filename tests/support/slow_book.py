"""The figures of a company, worked out from what was told of it: slowly, in loops, and by nothing of the product.

Who is who (a person's deals, a company's people, who was merged) is known from everything told; all else stands as it
did at `as_of`, the first moment that no longer counts. Money is yen.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import cached_property
from uuid import UUID

from deploy.history.telling import Telling
from shared.money import Money
from tests.support.slow_stories import deal_of, department, first, firsts, is_open, kind, result, said, standing

Way = tuple[UUID, int | None]
"""A person and a number, or a deal and nothing."""
Span = tuple[datetime, datetime]
MINOR = {"JPY": 1, "USD": 100}
OF_DEALS = ("opportunity", "won", "lost")
PLACES = {"lead_created": "nurturing", "lead_recycled": "nurturing", "mql_created": "mql_waiting"}
PLACES |= {"mql_accepted": "mql_working", "sql_accepted": "sql_offered", "sql_received": "sql_offered"}
FURTHER = ("nurturing", "mql_waiting", "mql_working", "sql_offered")
ENDED = {"mql_rejected": "mql_rejected", "sql_returned": "sql_rejected", "deal_lost": "opp_lost"}
OF_CUSTOMERS = ("contract_started", "subscription_changed", "customer_accepted", "onboarding_completed")
TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Entry:
    """What counts once: it came to `name`, and by as_of nothing had taken that back."""

    name: str
    told: Telling
    way: Way
    deal: UUID | None = None
    outside: bool = False

    @property
    def at(self) -> datetime:
        return self.told.at


class SlowBook:
    def __init__(
        self, told: Iterable[Telling], as_of: datetime, known_at: datetime | None = None, rate: Fraction | int = 150
    ) -> None:
        known = [one for one in told if known_at is None or one.recorded <= known_at]
        self.told = sorted({one.event_id: one for one in known}.values(), key=lambda one: one.at)
        self._places: dict[datetime, list[Entry]] = {}
        self._followed: dict[tuple[str, UUID, str], Entry | None] = {}
        self._values: dict[tuple[str, UUID, str], str] = {}
        self.as_of, self._rates = as_of, {"JPY": Fraction(1), "USD": Fraction(rate)}

    def yen(self, money: Money) -> Fraction:
        return Fraction(money.amount, MINOR[money.currency]) * self._rates[money.currency]

    # Who is who

    @cached_property
    def _merged(self) -> dict[UUID, UUID]:
        found = {}
        for one in self.told:
            if kind(one) in ("lead_merged", "account_merged"):
                name = kind(one).split("_")[0]
                found[said(one, f"merged_{name}_id")] = said(one, f"{name}_id")
        return found

    def same(self, one: UUID) -> UUID:
        """Who stands for it."""
        while one in self._merged:
            one = self._merged[one]
        return one

    @cached_property
    def _of_deals(self) -> dict[UUID, list[Telling]]:
        found: defaultdict[UUID, list[Telling]] = defaultdict(list)
        for one in self.told:
            if deal := deal_of(one):
                found[deal].append(one)
        return found

    @cached_property
    def _of_people(self) -> dict[UUID, list[Telling]]:
        """What marketing and inside sales told of each."""
        found: defaultdict[UUID, list[Telling]] = defaultdict(list)
        for one in self.told:
            if said(one, "lead_id") and department(one) in ("marketing", "inside_sales"):
                found[said(one, "lead_id")].append(one)
        return found

    def sold_by(self, deal: UUID) -> list[Telling]:
        return [one for one in self._of_deals[deal] if department(one) == "field_sales"]

    @cached_property
    def _ways_of_deals(self) -> dict[UUID, Way]:
        return {deal: self._way_of(deal) for deal in self._of_deals}

    def way_of(self, deal: UUID) -> Way:
        return self._ways_of_deals[deal]

    def _way_of(self, deal: UUID) -> Way:
        naming = [one for one in self._of_deals[deal] if said(one, "lead_id") and department(one) != "customer_success"]
        return (said(naming[-1], "lead_id"), said(naming[-1], "cycle")) if naming else (deal, None)

    @cached_property
    def ways(self) -> dict[Way, list[Telling]]:
        """Every way with what the departments that sell told of it and of its deals."""
        found: defaultdict[Way, list[Telling]] = defaultdict(list)
        for one in self.told:
            if kind(one) in ("lead_merged", "account_merged") or department(one) == "customer_success":
                continue
            if deal := deal_of(one):
                found[self.way_of(deal)].append(one)
            elif said(one, "lead_id"):
                found[said(one, "lead_id"), said(one, "cycle")].append(one)
        return found

    def company_of(self, way: Way, deal: UUID | None = None) -> UUID:
        """The company anybody named; else the person, or the deal, stands for it."""
        deals = [deal] if deal else [each for each in self._of_deals if self.way_of(each) == way]
        naming = [one for each in deals for one in self._of_deals[each]] + self._of_people.get(way[0], [])
        named = [said(one, "account_id") for one in naming if said(one, "account_id")]
        return self.same(named[0] if named else way[0])

    def unit(self, entry: Entry, unit: str) -> object:
        if unit == "account":
            return self.company_of(entry.way, entry.deal if entry.name in OF_DEALS else None)
        return self.same(entry.way[0]) if unit == "lead" else (entry.name, entry.told.event_id)

    # What came to what

    @cached_property
    def entries(self) -> list[Entry]:
        """Everything that holds at as_of."""
        found: list[Entry] = []
        for way, story in self.ways.items():
            story = [one for one in story if one.at < self.as_of]
            found += [Entry(name, one, way, outside=self._outside(name, way)) for name, one in firsts(story).items()]
            found += [Entry(name, one, way) for name, one in standing(story).items()]
        for deal, whole in self._of_deals.items():
            story = [one for one in whole if one.at < self.as_of and department(one) == "field_sales"]
            opened = next((one for one in story if kind(one) == "opportunity_opened"), None)
            if opened:
                outside = said(opened, "origin") != "sql"
                found.append(Entry("opportunity", opened, self.way_of(deal), deal, outside))
            if closing := result(story):
                name = "won" if kind(closing) == "deal_won" else "lost"
                found.append(Entry(name, closing, self.way_of(deal), deal))
        return sorted(found, key=lambda one: one.at)

    def _outside(self, name: str, way: Way) -> bool:
        return name == "lead" and (way[1] or 1) > 1

    def of(self, name: str, span: Span, where: Callable[[Entry], bool] = lambda _: True) -> list[Entry]:
        return [one for one in self.entries if one.name == name and span[0] <= one.at < span[1] and where(one)]

    def count(self, entries: Iterable[Entry], unit: str = "cycle") -> int:
        return len({self.unit(one, unit) for one in entries})

    def went_on(self, entry: Entry, goal: str) -> Entry | None:
        """Its first entry into `goal` afterwards."""
        asked = entry.name, entry.told.event_id, goal
        if asked not in self._followed:
            mine = [one for one in self.entries if one.name == goal and one.at >= entry.at]
            by_deal = entry.name in OF_DEALS
            same = [one for one in mine if (one.deal == entry.deal if by_deal else one.way == entry.way)]
            self._followed[asked] = same[0] if same else None
        return self._followed[asked]

    # What it is sliced by: as it was known when it occurred

    def value(self, entry: Entry, dimension: str) -> str:
        asked = entry.name, entry.told.event_id, dimension
        if asked not in self._values:
            self._values[asked] = self._value(entry, dimension)
        return self._values[asked]

    def _value(self, entry: Entry, dimension: str) -> str:
        person = [one for one in self._of_people.get(entry.way[0], []) if one.at <= entry.at]
        own = self.sold_by(entry.deal) if entry.deal else []
        own = [one for one in own if one.at <= entry.at]
        if dimension == "channel":  # where the person came from first
            return first([*person, *own, entry.told], "channel")
        if dimension == "owner":  # credited within one department
            mine = own or [one for one in person if department(one) == department(entry.told)]
            return first([entry.told, *reversed(mine)], "owner")
        return first([entry.told, *reversed(own), *reversed(person)], dimension)

    # Deals

    def worth(self, deal: UUID, moment: datetime) -> Fraction | None:
        """What it recurs with, as last told; else its whole sum."""
        story = [one for one in reversed(self.sold_by(deal)) if one.at <= moment]
        for name in ("mrr", "amount"):
            for one in story:
                if said(one, name):
                    return self.yen(said(one, name))
        return None

    def days(self, won: Entry) -> float | None:
        """From when it was opened first."""
        assert won.deal
        opened = [one for one in self.sold_by(won.deal) if kind(one) == "opportunity_opened"]
        return (won.at - opened[0].at).total_seconds() / 86_400 if opened and opened[0].at <= won.at else None

    def open_at(self, moment: datetime) -> list[Entry]:
        """Deals open just before it, each with the last that was told of it."""
        found = []
        for deal, whole in self._of_deals.items():
            story = [one for one in whole if one.at < moment and department(one) != "customer_success"]
            own = [one for one in story if department(one) == "field_sales"]
            if is_open(own):
                found.append(Entry("opportunity", story[-1], self.way_of(deal), deal))
        return found

    # Where everybody is

    def place(self, way: Way, moment: datetime) -> str | None:
        """A deal's that is open or won; else the furthest step since it last ended, else how it ended."""
        story = [one for one in self.ways[way] if one.at < moment]
        for deal in {found for one in story if (found := deal_of(one))}:
            own = [one for one in story if deal_of(one) == deal and department(one) == "field_sales"]
            closing = result(own)
            if closing and kind(closing) == "deal_won":
                return "opp_won"
            if is_open(own):
                return "opp_open"
        ends = [number for number, one in enumerate(story) if kind(one) in (*ENDED, "lead_dropped")]
        since = [kind(one) for one in story[ends[-1] + 1 if ends else 0 :]]
        steps = {PLACES[name] for name in since if name in PLACES}
        if "mql_created" in since and "first_contact_made" in since:
            steps.add("mql_working")
        if steps:
            return max(steps, key=FURTHER.index)
        return self._ended(way, story[ends[-1]], moment) if ends else None

    def places(self, moment: datetime) -> list[Entry]:
        """Every person's cycle in its place just before it, with what brought it there."""
        if moment not in self._places:
            self._places[moment] = self._all_places(moment)
        return self._places[moment]

    def _all_places(self, moment: datetime) -> list[Entry]:
        found = []
        for way, story in self.ways.items():
            before, brought = None, None
            for one in story:
                after = self.place(way, one.at + TICK) if one.at < moment else before
                before, brought = after, brought if after == before else one
            if way[1] is not None and brought and (name := self.place(way, moment)):
                found.append(Entry(name, brought, way))
        return found

    def _ended(self, way: Way, end: Telling, moment: datetime) -> str:
        """It waits for its day, while it has one and its next cycle has not begun."""
        later = [story for each, story in self.ways.items() if each[0] == way[0] and (each[1] or 0) > (way[1] or 0)]
        again = [one.at for story in later for one in story]
        if said(end, "recyclable") and said(end, "revisit_on") and not (again and min(again) < moment):
            return "recycle_waiting"
        if kind(end) == "lead_dropped":
            return "dropped" if said(end, "recyclable") else "disqualified"
        return ENDED[kind(end)]

    def visitors(self, days: tuple[date, date], channel: str | None = None) -> int:
        """Of each day and channel what was told last."""
        told = [one for one in self.told if kind(one) == "visits_recorded" and one.at < self.as_of]
        last = {(said(one, "date"), said(one, "channel")): said(one, "visitors") for one in told}
        return sum(
            number for (day, over), number in last.items() if days[0] <= day < days[1] and channel in (None, over)
        )
