"""The story of every lead, told in advance from a seed: the same seed tells the same company.

Pure: no clock, no network. Codes of reasons and answers are given, since the departments keep them as data.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from deploy.simulate import company
from deploy.simulate.chance import Chance, Code, Codes, works
from deploy.simulate.company import Channel, Person, Product
from deploy.simulate.crowd import Crowd, Prospect
from deploy.simulate.deals import Deal, Diary, Meeting, Outcome, tell_deal, tell_meeting

CHANCE = {"mql": 0.42, "followed": 0.96, "accepted": 0.86, "sql": 0.52, "opened": 0.88, "comes_back": 0.3}
SLOW = timedelta(hours=6)
"""An answer later than this costs a fourth of the SQLs."""
GROWTH_PER_YEAR = 0.25
LOWEST_MQL = 60
ITEMS = ("budget", "authority", "need", "timing", "size")
MOST_CYCLES = 3


@dataclass
class Cycle:
    """One way of a lead through the departments. Times are absent where it ended before."""

    number: int
    began_at: datetime
    inside: Person
    mql_at: datetime | None = None
    contacted_at: datetime | None = None
    accepted_at: datetime | None = None
    rejected_at: datetime | None = None
    dropped_at: datetime | None = None
    sql_at: datetime | None = None
    answers: dict[str, str] = field(default_factory=dict)
    meeting: Meeting | None = None
    returned_at: datetime | None = None
    deal: Deal | None = None
    reason: Code | None = None  # of a rejection, a drop or a return

    @property
    def ended_at(self) -> datetime | None:
        return self.rejected_at or self.dropped_at or self.returned_at or (self.deal.closed_at if self.deal else None)

    @property
    def may_return(self) -> bool:
        """Whether marketing opens the next cycle by rule."""
        reason = self.deal.reason if self.deal else self.reason
        return reason is not None and reason.recyclable


@dataclass
class Lead:
    person: Prospect
    channel: Channel
    campaign: str
    content: str
    product: Product
    created_at: datetime
    score: int
    cycles: list[Cycle] = field(default_factory=list)


def days(start: date, end: date) -> Iterator[date]:
    for number in range((end - start).days):
        yield start + timedelta(days=number)


def demand(day: date, start: date) -> float:
    """How busy a day is against an ordinary one: season, weekday, growth."""
    weekday = (1.15, 1.2, 1.15, 1.1, 1.0, 0.35, 0.3)[day.weekday()]
    growth = 1 + GROWTH_PER_YEAR * (day - start).days / 365
    return company.SEASON[day.month - 1] * weekday * growth * (1.0 if works(day) or day.weekday() > 4 else 0.3)


class Teller:
    """Tells stories; `codes` are the departments' own lists of reasons and answers."""

    def __init__(self, chance: Chance, crowd: Crowd, codes: Codes) -> None:
        self.chance = chance
        self._crowd = crowd
        self._codes = codes
        self.diary = Diary()

    def visitors(self, day: date, start: date, channel: Channel) -> int:
        return max(0, round(self.chance.gauss(channel.visitors, channel.visitors * 0.12) * demand(day, start)))

    def leads_of(self, day: date, channel: Channel, visitors: int) -> list[Lead]:
        """The leads a day's visitors of a channel leave behind, each with its whole way."""
        count = sum(self.chance.random() < channel.lead_rate for _ in range(visitors))
        return [self.lead(self.chance.moment(day, 8, 22), channel) for _ in range(count)]

    def lead(self, at: datetime, channel: Channel) -> Lead:
        chance, person = self.chance, self._crowd.person()
        usual = {"SMB": 0, "MID": 1, "ENT": 2}[person.account.segment]
        lead = Lead(
            person=person,
            channel=channel,
            campaign=chance.choice(channel.campaigns),
            content=chance.choice(company.CONTENTS),
            product=company.PRODUCTS[usual if chance.random() < 0.75 else 1],
            created_at=at,
            score=min(LOWEST_MQL - 15, max(5, round(chance.gauss(30 * channel.fit, 10)))),
        )
        self._first_cycle(lead)
        while lead.cycles[-1].may_return and len(lead.cycles) < MOST_CYCLES:
            if not self._return(lead):
                break
        return lead

    def _first_cycle(self, lead: Lead) -> None:
        cycle = self._cycle(lead, lead.created_at)
        if self.chance.happens(CHANCE["mql"] * lead.channel.fit):
            cycle.mql_at = self.chance.later(lead.created_at, 0.1, 12)
            lead.score = min(99, max(LOWEST_MQL, round(self.chance.gauss(70 * lead.channel.fit, 10))))
            self._work(lead, cycle)

    def _return(self, lead: Lead) -> bool:
        """Some come back from nurturing after a month or more."""
        ended_at = lead.cycles[-1].ended_at
        assert ended_at is not None
        if not self.chance.happens(CHANCE["comes_back"]):
            return False
        cycle = self._cycle(lead, ended_at)
        cycle.mql_at = self.chance.later(ended_at, 25, 170)
        self._work(lead, cycle)
        return True

    def _cycle(self, lead: Lead, at: datetime) -> Cycle:
        cycle = Cycle(len(lead.cycles) + 1, at, self.chance.choice(company.INSIDE_SALES))
        lead.cycles.append(cycle)
        return cycle

    def _work(self, lead: Lead, cycle: Cycle) -> None:
        """Inside sales answers and judges the MQL."""
        assert cycle.mql_at is not None
        chance = self.chance
        if not chance.happens(CHANCE["followed"]):
            cycle.dropped_at = chance.later(cycle.mql_at, 4, 6)
            cycle.reason = next(code for code in self._codes["drop"] if code.code == "unfollowed")
            return
        cycle.contacted_at = self._contact(cycle.mql_at)
        if not chance.happens(CHANCE["accepted"] * lead.channel.fit):
            cycle.rejected_at = cycle.contacted_at + timedelta(minutes=20)
            cycle.reason = chance.code(self._codes["reject"])
            return
        cycle.accepted_at = cycle.contacted_at + timedelta(minutes=15)
        speed = 0.8 if cycle.contacted_at - cycle.mql_at > SLOW else 1.1
        end = chance.later(cycle.accepted_at, 0.5, 12)
        if chance.happens(CHANCE["sql"] * lead.channel.fit * speed * cycle.inside.skill):
            cycle.sql_at = end
            self._hand_over(lead, cycle)
        else:
            cycle.dropped_at = end
            cycle.reason = chance.code([code for code in self._codes["drop"] if code.code != "unfollowed"])

    def _hand_over(self, lead: Lead, cycle: Cycle) -> None:
        assert cycle.sql_at is not None
        chance, codes = self.chance, self._codes
        cycle.answers = {item: chance.code([code for code in codes[item] if code.passes]).code for item in ITEMS}
        near = [rep for rep in company.FIELD_SALES if rep.region == lead.person.account.region]
        rep = chance.choice(near or company.FIELD_SALES)
        cycle.meeting = tell_meeting(chance, self.diary, rep, chance.later(cycle.sql_at, 1, 7))
        held = cycle.meeting.outcome is Outcome.HELD
        if not held or not chance.happens(CHANCE["opened"] * cycle.inside.skill):
            cycle.returned_at = chance.later(cycle.meeting.over_at, 0.05, 1.5)
            no_show = [code for code in codes["return"] if code.code == "no_show"]
            cycle.reason = chance.code(no_show if not held and no_show else codes["return"])
            return
        cycle.deal = tell_deal(
            chance,
            codes,
            rep=rep,
            product=lead.product,
            segment=lead.person.account.segment,
            fit=lead.channel.fit,
            at=cycle.meeting.over_at + timedelta(minutes=chance.randint(20, 150)),
            answers=cycle.answers,
        )

    def _contact(self, at: datetime) -> datetime:
        """Most are called within the hour, some the next day, a few much later."""
        roll = self.chance.random()
        minutes = self.chance.uniform(4, 55) if roll < 0.68 else self.chance.uniform(90, 1500)
        return self.chance.office_hour(at + timedelta(minutes=minutes if roll < 0.95 else minutes * 3))
