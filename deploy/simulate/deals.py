"""What becomes of appointments and opportunities, told in advance."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from deploy.simulate import company
from deploy.simulate.chance import Chance, Code, Codes, works
from deploy.simulate.company import Person, Product
from shared.clock import TOKYO

HOURS = (10, 11, 13, 14, 15, 16)  # when meetings begin
PHASES = (("proposal", 0.3), ("negotiation", 0.6), ("approval", 0.85))
"""Phase, and how much of the deal's time has passed when it is reached."""
FORECAST = {"proposal": "best_case", "negotiation": "most_likely", "approval": "commit"}
WON, HELD, REVIEWED, VALID = 0.31, 0.84, 0.93, 0.94


class Outcome(StrEnum):
    HELD = "held"
    MISSED = "missed"
    CANCELLED = "cancelled"


@dataclass
class Meeting:
    """An appointment. `moved_to`: nobody came at first, and it was held then."""

    rep: Person
    start_at: datetime
    place: str
    outcome: Outcome = Outcome.HELD
    moved_to: datetime | None = None

    @property
    def over_at(self) -> datetime:
        return (self.moved_to or self.start_at) + timedelta(hours=1)


@dataclass
class Deal:
    """An open opportunity. `visit_reason`: what the first visit found against it; `found` its answers."""

    rep: Person
    product: Product
    mrr: int
    opened_at: datetime
    expected_close: date
    closed_at: datetime
    won: bool
    reason: Code | None
    phases: list[tuple[datetime, str]] = field(default_factory=list)
    slipped: tuple[datetime, date] | None = None
    reviewed_at: datetime | None = None
    visit_reason: Code | None = None
    found: dict[str, str] = field(default_factory=dict)
    promises: tuple[str, ...] = ()


class Diary:
    """The reps' calendars: nobody is in two places, nor has more appointments a week than slots."""

    def __init__(self) -> None:
        self._taken: set[tuple[str, datetime]] = set()
        self._weeks: dict[str, Counter[tuple[int, int]]] = defaultdict(Counter)

    def book(self, rep: Person, earliest: datetime, chance: Chance) -> datetime:
        """The first day from `earliest` on with a free hour, at one of its free hours."""
        day = earliest.astimezone(TOKYO).date()
        while True:
            week = day.isocalendar()[:2]
            free = [at for at in self._hours(day) if at >= earliest and (rep.id, at) not in self._taken]
            if free and self._weeks[rep.id][week] < rep.slots:
                start = chance.choice(free)
                self._taken.add((rep.id, start))
                self._weeks[rep.id][week] += 1
                return start
            day += timedelta(days=1)

    @staticmethod
    def _hours(day: date) -> list[datetime]:
        return [datetime.combine(day, time(hour), TOKYO) for hour in HOURS] if works(day) else []


def tell_meeting(chance: Chance, diary: Diary, rep: Person, earliest: datetime) -> Meeting:
    place = chance.choice(("online", "online", "visit"))
    meeting = Meeting(rep, diary.book(rep, earliest, chance), place)
    if chance.happens(HELD):
        return meeting
    if chance.happens(0.6):
        meeting.moved_to = diary.book(rep, chance.later(meeting.start_at, 2, 7), chance)
    else:
        meeting.outcome = chance.choice((Outcome.MISSED, Outcome.CANCELLED))
    return meeting


def tell_deal(
    chance: Chance,
    codes: Codes,
    *,
    rep: Person,
    product: Product,
    segment: str,
    fit: float,
    at: datetime,
    answers: Mapping[str, str],
) -> Deal:
    """The whole life of a deal opened `at`; `answers` is what inside sales had noted."""
    low, high = product.mrr
    days = company.DEAL_DAYS[segment]
    closed_at = chance.later(at, days * 0.35, days * 1.7)
    deal = Deal(
        rep=rep,
        product=product,
        mrr=round(chance.uniform(low, high) / 1000) * 1000,
        opened_at=at,
        expected_close=(at + timedelta(days=days)).date(),
        closed_at=closed_at,
        won=chance.happens(WON * fit * rep.skill),
        reason=None,
    )
    if answers and chance.happens(REVIEWED):
        _visit(chance, codes, deal, answers)
    if not deal.won:
        deal.reason = chance.code(codes["lose"])
    _advance(chance, deal)
    deal.promises = tuple(chance.sample(company.PROMISES, chance.randint(1, 2)))
    return deal


def _visit(chance: Chance, codes: Codes, deal: Deal, answers: Mapping[str, str]) -> None:
    """Four of five answers hold; what the first visit finds not valid is soon lost."""
    deal.reviewed_at = deal.opened_at + timedelta(minutes=chance.randint(20, 120))
    deal.found = {
        item: answer if chance.random() < 0.8 else chance.code(codes[item]).code for item, answer in answers.items()
    }
    if not chance.happens(VALID):
        deal.visit_reason, deal.won = chance.code(codes["first_visit"]), False
        deal.closed_at = chance.later(deal.reviewed_at, 1, 6)


def _advance(chance: Chance, deal: Deal) -> None:
    since = deal.reviewed_at or deal.opened_at
    span = deal.closed_at - since
    reached = len(PHASES) if deal.won else chance.choice((0, 1, 1, 2, 3))
    deal.phases = [(since + span * share, phase) for phase, share in PHASES[:reached]]
    if reached and chance.happens(0.4):
        deal.slipped = (since + span * 0.7, (deal.closed_at + timedelta(days=5)).date())
