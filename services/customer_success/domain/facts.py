"""From what is stored of a customer to the facts that health and alarms are judged by. Unknown facts are not there."""

from dataclasses import dataclass, field
from datetime import date, datetime
from statistics import fmean
from zoneinfo import ZoneInfo

from services.customer_success.domain.health import Fact
from shared.clock import day_of

FACTS = {
    "licence_use": "mean daily active users of the last 28 days ÷ seats",
    "usage_trend": "mean weekly use of the last 4 weeks ÷ that of the last 12; known after 8 weeks of use",
    "feature_breadth": "different features used in the last 28 days",
    "idle_days": "days since the last use",
    "onboarding_done_share": "onboarding tasks done ÷ tasks due by now or done",
    "onboarding_days_late": "days the latest open onboarding task is overdue",
    "open_tickets": "tickets open",
    "open_urgent_tickets": "of them urgent or critical",
    "open_complaints": "of them complaints",
    "resolution_days": "median days from opening to closing, of tickets closed in the last 90 days",
    "ticket_satisfaction": "mean satisfaction 1 to 5 of tickets closed in the last 90 days",
    "nps": "the latest score 0 to 10",
    "csat": "the latest score 1 to 5",
    "csm": "the latest score 1 to 5 of the customer success manager",
    "review_age_days": "days since the last review or meeting",
    "champion_present": "1 when a champion was named, 0 when the last one left",
    "overdue_days": "days a payment is overdue, 0 when all are settled",
    "days_to_renewal": "days until the next renewal falls due; negative when it is overdue",
    "discount_days_left": "days until a discount ends",
    "promises_kept_share": "promises kept ÷ promises reviewed; a partly kept one is half",
    "notice_given": "1 when a contract's end is already known",
    "band_level": "0 risk, 1 watch, 2 healthy",
    "score_drop_28_days": "points the score fell in the last 28 days",
}
"""Every fact a rule may name."""

URGENT = frozenset({"urgent", "critical"})
COMPLAINT = "complaint"
KEPT = {"yes": 1.0, "partly": 0.5, "no": 0.0}
TREND_NEEDS_DAYS = 56


@dataclass(frozen=True, slots=True)
class Use:
    """Sums over the days up to today: `count_28`, `count_84`; `users_28` is the mean of the days it was told for."""

    first: date
    last: date
    count_28: int
    count_84: int
    features_28: int
    users_28: float | None


@dataclass(frozen=True, slots=True)
class Task:
    due_on: date
    done_on: date | None


@dataclass(frozen=True, slots=True)
class Ticket:
    kind: str | None
    priority: str | None
    opened: date
    closed: date | None
    days_open: float
    satisfaction: int | None


@dataclass(slots=True)
class Picture:
    """All that is stored of one customer and bears on its health."""

    seats: int | None = None
    use: Use | None = None
    tasks: list[Task] = field(default_factory=list)
    tickets: list[Ticket] = field(default_factory=list)
    pulses: dict[str, tuple[int, date]] = field(default_factory=dict)
    signals: dict[str, tuple[datetime, date | None]] = field(default_factory=dict)  # kind → when noted, of which day
    kept: list[str] = field(default_factory=list)
    renewal_on: date | None = None
    notice_given: bool = False


def facts(picture: Picture, today: date, zone: ZoneInfo) -> dict[str, Fact]:
    """`zone` is where the days of signals are cut."""
    found = {
        **_usage(picture, today),
        **_onboarding(picture.tasks, today),
        **_support(picture.tickets, today),
        **_people(picture, today, zone),
        **_billing(picture, today, zone),
    }
    if picture.kept:
        found["promises_kept_share"] = Fact(fmean(KEPT[kept] for kept in picture.kept))
    return found


def _usage(picture: Picture, today: date) -> dict[str, Fact]:
    use = picture.use
    if use is None:
        return {}
    idle = max(0, (today - use.last).days)
    found = {"idle_days": Fact(idle, idle), "feature_breadth": Fact(use.features_28, idle)}
    if use.count_84 and (today - use.first).days >= TREND_NEEDS_DAYS:
        weeks = min(12.0, (today - use.first).days / 7)
        found["usage_trend"] = Fact((use.count_28 / 4) / (use.count_84 / weeks), idle)
    if use.users_28 is not None and picture.seats:
        found["licence_use"] = Fact(use.users_28 / picture.seats, idle)
    return found


def _onboarding(tasks: list[Task], today: date) -> dict[str, Fact]:
    counted = [task for task in tasks if task.done_on or task.due_on < today]
    if not counted:
        return {}
    open_tasks = [task for task in tasks if task.done_on is None]
    done = [task.done_on for task in tasks if task.done_on]
    age = 0 if open_tasks else max(0, (today - max(done)).days)
    late = max((max(0, (today - task.due_on).days) for task in open_tasks), default=0)
    return {
        "onboarding_done_share": Fact(len(done) / len(counted), age),
        "onboarding_days_late": Fact(late, age),
    }


def _support(tickets: list[Ticket], today: date) -> dict[str, Fact]:
    if not tickets:
        return {}
    still = [ticket for ticket in tickets if ticket.closed is None]
    age = 0 if still else min((today - (ticket.closed or ticket.opened)).days for ticket in tickets)
    found = {
        "open_tickets": Fact(len(still), age),
        "open_urgent_tickets": Fact(sum(ticket.priority in URGENT for ticket in still), age),
        "open_complaints": Fact(sum(ticket.kind == COMPLAINT for ticket in still), age),
    }
    closed = [ticket for ticket in tickets if ticket.closed and (today - ticket.closed).days <= 90]
    if closed:
        days = sorted(ticket.days_open for ticket in closed)
        found["resolution_days"] = Fact((days[(len(days) - 1) // 2] + days[len(days) // 2]) / 2)
        scores = [ticket.satisfaction for ticket in closed if ticket.satisfaction is not None]
        if scores:
            found["ticket_satisfaction"] = Fact(fmean(scores))
    return found


def _people(picture: Picture, today: date, zone: ZoneInfo) -> dict[str, Fact]:
    found = {kind: Fact(score, (today - on).days) for kind, (score, on) in picture.pulses.items()}
    signals = picture.signals
    reviews = [signals[kind][0] for kind in ("review_held", "meeting_held") if kind in signals]
    if reviews:
        found["review_age_days"] = Fact((today - day_of(max(reviews), zone)).days)
    champions = [kind for kind in ("champion_named", "champion_left") if kind in signals]
    if champions:
        latest = max(champions, key=lambda kind: signals[kind][0])
        found["champion_present"] = Fact(
            float(latest == "champion_named"), (today - day_of(signals[latest][0], zone)).days
        )
    return found


def _billing(picture: Picture, today: date, zone: ZoneInfo) -> dict[str, Fact]:
    found: dict[str, Fact] = {}
    signals = picture.signals
    overdue, settled = signals.get("payment_overdue"), signals.get("payment_settled")
    if overdue and (settled is None or settled[0] < overdue[0]):
        found["overdue_days"] = Fact(max(0, (today - (overdue[1] or day_of(overdue[0], zone))).days))
    elif settled:
        found["overdue_days"] = Fact(0, (today - day_of(settled[0], zone)).days)
    if picture.renewal_on:
        found["days_to_renewal"] = Fact((picture.renewal_on - today).days)
    discount = signals.get("discount_granted")
    if discount and discount[1] and discount[1] >= today:
        found["discount_days_left"] = Fact((discount[1] - today).days)
    if picture.notice_given:
        found["notice_given"] = Fact(1)
    return found
