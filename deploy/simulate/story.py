"""The story of every lead, told in advance from a seed: the same seed tells the same company.

Pure: no clock, no network. Codes of reasons and answers are given, since the departments keep them as data.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from deploy.simulate import company
from deploy.simulate.company import Channel, Product
from shared.clock import TOKYO

CHANCE = {"mql": 0.42, "accepted": 0.86, "sql": 0.52, "opened": 0.86, "held": 0.84, "won": 0.31}
GROWTH_PER_YEAR = 0.25
Codes = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Prospect:
    """A lead, invented from top to toe; the addresses lead nowhere."""

    external_id: str
    name: str
    kana: str
    email: str
    phone: str
    company: str
    department: str
    job_title: str


@dataclass
class Story:
    """One lead's cycle. Times are absent where the way ended before."""

    person: Prospect
    channel: Channel
    campaign: str
    content: str
    segment: str
    industry: str
    region: str
    product: Product
    created_at: datetime
    score: int
    inside: company.Person
    field_rep: company.Person
    mql_at: datetime | None = None
    contacted_at: datetime | None = None
    accepted_at: datetime | None = None
    rejected_at: datetime | None = None
    sql_at: datetime | None = None
    dropped_at: datetime | None = None
    appointment_at: datetime | None = None
    held: bool = False
    opened_at: datetime | None = None
    returned_at: datetime | None = None
    closed_at: datetime | None = None
    won: bool = False
    mrr: int = 0
    reason: str | None = None
    answers: dict[str, str] = field(default_factory=dict)
    found: dict[str, str] = field(default_factory=dict)  # what the first visit found of the same items


def days(start: date, end: date) -> Iterator[date]:
    for number in range((end - start).days):
        yield start + timedelta(days=number)


def demand(day: date, start: date) -> float:
    """How busy a day is against an ordinary one: season, weekday, growth."""
    weekday = (1.15, 1.2, 1.15, 1.1, 1.0, 0.35, 0.3)[day.weekday()]
    growth = 1 + GROWTH_PER_YEAR * (day - start).days / 365
    return company.SEASON[day.month - 1] * weekday * growth


class Teller:
    """Tells stories by `seed`; `codes` are the departments' own lists of reasons and answers."""

    def __init__(self, seed: int, codes: Codes) -> None:
        self._random = random.Random(seed)
        self._codes = codes
        self._count = 0

    def visitors(self, day: date, start: date, channel: Channel) -> int:
        return max(0, round(self._random.gauss(channel.visitors, channel.visitors * 0.12) * demand(day, start)))

    def leads_of(self, day: date, channel: Channel, visitors: int) -> list[Story]:
        """The leads a day's visitors of a channel leave behind, each with its whole way."""
        count = sum(self._random.random() < channel.lead_rate for _ in range(visitors))
        return [self.lead(self._moment(day, 8, 22), channel) for _ in range(count)]

    def lead(self, at: datetime, channel: Channel) -> Story:
        chance = self._random
        segment = self._weighted(company.SEGMENTS)
        product = company.PRODUCTS[{"SMB": 0, "MID": 1, "ENT": 2}[segment] if chance.random() < 0.75 else 1]
        region = self._weighted(company.REGIONS)
        near = [rep for rep in company.FIELD_SALES if rep.region == region] or list(company.FIELD_SALES)
        story = Story(
            person=self._person(),
            channel=channel,
            campaign=chance.choice(channel.campaigns),
            content=chance.choice(company.CONTENTS),
            segment=segment,
            industry=chance.choice(company.INDUSTRIES),
            region=region,
            product=product,
            created_at=at,
            score=min(99, max(5, round(chance.gauss(48 * channel.fit, 16)))),
            inside=chance.choice(company.INSIDE_SALES),
            field_rep=chance.choice(near),
        )
        self.continue_from(story, at)
        return story

    def continue_from(self, story: Story, at: datetime) -> None:
        """Decide everything after the lead came in (or came back) at `at`."""
        if not self._happens("mql", story.channel.fit):
            return
        story.mql_at = self._later(at, 0.2, 14)
        story.score = max(story.score, 60)
        story.contacted_at = self._contact(story.mql_at)
        if not self._happens("accepted", story.channel.fit):
            story.rejected_at = story.contacted_at + timedelta(minutes=20)
            story.reason = self._code("reject")
            return
        story.accepted_at = story.contacted_at + timedelta(minutes=15)
        slow = (story.contacted_at - story.mql_at) > timedelta(hours=6)
        self._qualify(story, 0.8 if slow else 1.1)

    def _qualify(self, story: Story, speed: float) -> None:
        assert story.accepted_at is not None
        end = self._later(story.accepted_at, 0.5, 12)
        if not self._happens("sql", story.channel.fit * speed * story.inside.skill):
            story.dropped_at, story.reason = end, self._code("drop")
            return
        story.sql_at = end
        items = ("budget", "authority", "need", "timing", "size")
        story.answers = {item: self._code(item) for item in items if self._codes.get(item)}
        story.found = {
            item: answer if self._random.random() < 0.78 else self._code(item) for item, answer in story.answers.items()
        }
        story.appointment_at = self._office_hour(self._later(end, 2, 9))
        story.held = self._happens("held", 1)
        if not self._happens("opened", story.inside.skill):
            story.returned_at, story.reason = self._later(story.appointment_at, 0.1, 2), self._code("return")
            return
        story.opened_at = story.appointment_at + timedelta(hours=2)
        self._close(story)

    def _close(self, story: Story) -> None:
        assert story.opened_at is not None
        low, high = story.product.mrr
        story.mrr = round(self._random.uniform(low, high) / 1000) * 1000
        length = {"SMB": 35, "MID": 60, "ENT": 100}[story.segment]
        story.closed_at = self._later(story.opened_at, length * 0.35, length * 1.7)
        story.won = self._happens("won", story.channel.fit * story.field_rep.skill)
        if not story.won:
            story.reason = self._code("lose")

    def _person(self) -> Prospect:
        self._count += 1
        family, family_kana = self._random.choice(company.FAMILY_NAMES).split(":")
        given, given_kana = self._random.choice(company.GIVEN_NAMES).split(":")
        name = self._random.choice(company.COMPANY_HEADS) + self._random.choice(company.COMPANY_TAILS)
        number = self._random.randrange(1, 60)
        branch = f"第{number}" if number < 25 else ""
        return Prospect(
            external_id=f"SIM-{self._count:06d}",
            name=f"{family} {given}",
            kana=f"{family_kana} {given_kana}",
            email=f"lead{self._count:06d}@example.jp",
            phone=f"03-{self._random.randrange(1000, 9999)}-{self._count % 10_000:04d}",
            company=f"株式会社{branch}{name}",
            department=self._random.choice(company.DEPARTMENTS),
            job_title=self._random.choice(company.JOB_TITLES),
        )

    def _contact(self, at: datetime) -> datetime:
        """Most are called within the hour, some the next day, a few much later."""
        roll = self._random.random()
        minutes = self._random.uniform(4, 55) if roll < 0.68 else self._random.uniform(90, 1500)
        return self._office_hour(at + timedelta(minutes=minutes if roll < 0.95 else minutes * 3))

    def _happens(self, step: str, factor: float) -> bool:
        return self._random.random() < min(0.97, CHANCE[step] * factor)

    def _code(self, purpose: str) -> str:
        """Earlier codes of a list are likelier."""
        codes = self._codes[purpose]
        return self._random.choices(codes, [1 / (place + 1) for place in range(len(codes))])[0]

    def _weighted(self, options: Sequence[tuple[str, float]]) -> str:
        return self._random.choices([name for name, _ in options], [weight for _, weight in options])[0]

    def _later(self, at: datetime, least: float, most: float) -> datetime:
        """Some days later, rather soon than late, in office hours."""
        span = min(most, least + self._random.expovariate(2.2 / max(0.1, most - least)))
        return self._office_hour(at + timedelta(days=span))

    def _moment(self, day: date, first: int, last: int) -> datetime:
        return datetime.combine(day, time(), TOKYO) + timedelta(hours=self._random.uniform(first, last))

    def _office_hour(self, at: datetime) -> datetime:
        """The same moment if somebody works then, else the next morning somebody does."""
        local = at.astimezone(TOKYO)
        if local.hour >= 18:
            local = datetime.combine(local.date() + timedelta(days=1), time(9), TOKYO)
        elif local.hour < 9:
            local = datetime.combine(local.date(), time(9), TOKYO)
        else:
            return local + timedelta(days=(7 - local.weekday()) if local.weekday() >= 5 else 0)
        while local.weekday() >= 5:
            local += timedelta(days=1)
        return local + timedelta(minutes=self._random.uniform(0, 90))
