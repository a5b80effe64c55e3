"""What a told history needs beside its events: visits, contracts that were there before, feedback, notes, promises.

Each becomes ordinary events; settings and targets are not events and are told to kpi itself (`decisions`).
A customer named before the period without opening MRR is a former one: it began with the first amount told of its
return and had ended by the end of the year before the period.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from deploy.history.telling import Telling
from shared.clock import start_of_day
from shared.contracts import EVENTS, Event
from shared.contracts.customer_success import ContractStarted, PromiseReviewed, SubscriptionChanged
from shared.contracts.field_sales import FirstVisitReviewed, OpportunityOpened
from shared.contracts.marketing import SpendRecorded, TouchRecorded, VisitsRecorded
from shared.ids import told_id
from shared.money import from_major

DEPARTMENTS = {"MK": "marketing", "IS": "inside_sales", "FS": "field_sales", "CS": "customer_success"}
NOTE_FIELDS = ("budget", "authority", "need", "timing", "product", "size")
GOALS = {
    "MQL accepted": "mql_accepted",
    "opportunities": "opportunity",
    "new MRR": "new_mrr",
    "onboarded on time": "onb",
}
STEPS = {"acknowledged": "receiver", "acted": "receiver", "closed": "sender"}


class Fixtures:
    """A fixture file beside the events it belongs to; `tellings()` are its events, in no particular order."""

    def __init__(self, given: Mapping[str, Any], told: Sequence[Telling], currency: str) -> None:
        self._given = given
        self._told = told
        self._currency = currency
        self._zone = ZoneInfo(given.get("timezone", "Asia/Tokyo"))
        self._from = date.fromisoformat(given["period"]["from"]) if "period" in given else date(2026, 4, 1)

    def tellings(self) -> list[Telling]:
        return [
            *self._visits(),
            *self._spend(),
            *self._contracts(),
            *self._feedback(),
            *self._notes(),
            *self._promises(),
            *self._touches(),
        ]

    def _day(self, day: date) -> datetime:
        return start_of_day(day, self._zone)

    def _telling(self, event: Event, name: str, key: str, at: datetime, **names: str) -> Telling:
        return Telling(event, told_id("event", name), key, at, at, f"fixtures {name}", names)

    def _visits(self) -> Iterable[Telling]:
        for row in self._given.get("visits", []):
            day = date.fromisoformat(f"{row['month']}-01") if "month" in row else date.fromisoformat(row["date"])
            event = VisitsRecorded(
                date=day, channel=row["channel"], visitors=row.get("unique_visitors", row.get("visitors"))
            )
            yield self._telling(event, f"visits/{day}/{row['channel']}", f"{day}/{row['channel']}", self._day(day))

    def _spend(self) -> Iterable[Telling]:
        if self._given.get("spend"):
            spend = from_major(self._given["spend"], self._currency)
            event = SpendRecorded(date=self._from, channel="all", spend=spend)
            yield self._telling(event, f"spend/{self._from}", f"{self._from}/all", self._day(self._from))

    def _contracts(self) -> Iterable[Telling]:
        start = date(self._from.year - 1, 1, 1)
        opening: Mapping[str, Any] = self._given.get("opening_mrr", {})
        for account, amount in opening.items():
            yield self._contract(account, amount, start)
        for account in self._given.get("customers_before_the_period", []):
            back = None if account in opening else self._first_change(account)
            if back is None:
                continue
            yield self._contract(account, back.delta.amount, start, minor=True)
            delta = back.delta.model_copy(update={"amount": -back.delta.amount})
            gone = SubscriptionChanged(account_id=told_id("account", account), account_external_id=account, delta=delta)
            end = self._day(date(self._from.year - 1, 12, 31))
            key = str(told_id("account", account))
            yield self._telling(gone, f"contract/{account}/end", key, end, account=account, contract=account)

    def _contract(self, account: str, amount: Any, start: date, *, minor: bool = False) -> Telling:
        money = from_major(amount, self._currency)
        if minor:
            money = money.model_copy(update={"amount": amount})
        contract = told_id("contract", account)
        event = ContractStarted(
            account_id=told_id("account", account),
            account_external_id=account,
            contract_id=contract,
            opening_key=str(contract),
            mrr=money,
            starts_on=start,
            renewal_on=self._renewal(account),
        )
        key, at = str(told_id("account", account)), self._day(start)
        return self._telling(event, f"contract/{account}", key, at, account=account, contract=account)

    def _renewal(self, account: str) -> date | None:
        """The day its term ends, where that is told."""
        told = self._given.get("renewals_due", {}).get(account)
        return _instant(told).astimezone(self._zone).date() if told else None

    def _first_change(self, account: str) -> SubscriptionChanged | None:
        mine = [
            t
            for t in self._told
            if isinstance(t.event, SubscriptionChanged) and t.event.account_id == told_id("account", account)
        ]
        event = min(mine, key=lambda t: t.at).event if mine else None
        return event if isinstance(event, SubscriptionChanged) and event.delta.amount > 0 else None

    def _feedback(self) -> Iterable[Telling]:
        for item in self._given.get("feedback", []):
            sender, receiver = DEPARTMENTS[item["from"]], DEPARTMENTS[item["to"]]
            feedback = told_id("feedback", item["id"])
            given = {"feedback_id": feedback, "sender": sender, "receiver": receiver, "kind": "voice"}
            given["external_id"] = item["id"]
            event = EVENTS[f"{sender}.feedback_given.v1"].model_validate({**given, **self._reference(item.get("ref"))})
            at = _instant(item["sent"])
            yield self._telling(event, f"feedback/{item['id']}", str(feedback), at, feedback=item["id"])
            for state, side in STEPS.items():
                if item.get(state):
                    by = sender if side == "sender" else receiver
                    yield self._step(item, feedback, state, by)

    def _step(self, item: Mapping[str, Any], feedback: UUID, state: str, by: str) -> Telling:
        at = _instant(item[state])
        data = {"feedback_id": feedback, "state": state, "at": at, "by": by}
        if state == "closed" and item.get("useful") is not None:
            data["useful"] = item["useful"]
        event = EVENTS[f"{by}.feedback_updated.v1"].model_validate(data)
        return self._telling(event, f"feedback/{item['id']}/{state}", str(feedback), at, feedback=item["id"])

    def _reference(self, ref: str | None) -> dict[str, Any]:
        """What an item speaks of: a lead, an opportunity or an account of the history, by its outside id."""
        for telling in self._told:
            for kind in ("lead", "opportunity", "account"):
                if ref and getattr(telling.event, f"{kind}_id", None) == told_id(kind, ref):
                    found = told_id(kind, ref)
                    return {f"{kind}_id": found, "refs": ({"kind": kind, "id": str(found)},)}
        return {}

    def _notes(self) -> Iterable[Telling]:
        opened = {t.event.opportunity_id: t for t in self._told if isinstance(t.event, OpportunityOpened)}
        for name, note in self._given.get("note_comparison", {}).items():
            telling = opened[told_id("opportunity", name)]
            compared = NOTE_FIELDS[: note["fields_compared"]]
            differing = compared[: note["fields_that_differ"]]
            data = telling.event.model_dump(include={"lead_id", "cycle", "opportunity_id"})
            event = FirstVisitReviewed(**data, valid=True, compared=compared, differing=differing)
            at = telling.at + timedelta(seconds=1)
            yield self._telling(event, f"note/{name}", telling.key, at, **telling.names)

    def _promises(self) -> Iterable[Telling]:
        for account, promise in self._given.get("promises", {}).items():
            known = [t for t in self._told if getattr(t.event, "account_id", None) == told_id("account", account)]
            at = max((t.at for t in known), default=self._day(self._from))
            key = known[0].key if known else str(told_id("account", account))
            for number in range(1, promise["made"] + 1):
                kept = "yes" if number <= promise["kept"] else "no"
                event = PromiseReviewed(account_id=told_id("account", account), number=number, kept=kept)
                yield self._telling(event, f"promise/{account}/{number}", key, at, account=account)

    def _touches(self) -> Iterable[Telling]:
        """`touches_before_<opportunity>`: of the person behind it."""
        opened = {t.event.opportunity_id: t for t in self._told if isinstance(t.event, OpportunityOpened)}
        for name, touches in self._given.items():
            _, found, deal = name.partition("touches_before_")
            telling = opened.get(told_id("opportunity", deal)) if found else None
            if telling is None or not isinstance(telling.event, OpportunityOpened) or not telling.event.lead_id:
                continue
            for touch in touches:
                event = TouchRecorded(
                    lead_id=telling.event.lead_id,
                    cycle=telling.event.cycle or 1,
                    touch_id=told_id("touch", touch["id"]),
                    kind=touch.get("kind", "other"),
                )
                at = _instant(touch["at"])
                yield self._telling(event, f"touch/{deal}/{touch['id']}", telling.key, at, **telling.names)

    def goal(self) -> dict[str, Any] | None:
        """The shared goal it tells of, as `PUT /v1/goals/{id}` takes it: "<what> <target>" by department."""
        told: Mapping[str, str] = self._given.get("cooperation_targets", {})
        components = []
        for name, part in told.items():
            words, _, target = part.rpartition(" ")
            components.append({"department": DEPARTMENTS[name], "metric": GOALS[words], "target": float(target)})
        if not components:
            return None
        period = self._given["period"]
        span = {"from_date": period["from"], "to_date": period["to"]}
        return {"name": "shared", **span, "components": components}

    def decisions(self) -> dict[str, Any]:
        """What kpi decides by itself, by the name of its setting."""
        renamed = {
            "plan_rate_jpy_per": "plan_rates",
            "phase_probability": "phase_probabilities",
            "plan_rates_for_the_bottleneck": "reference_rates",
        }
        same = (
            "gross_margin",
            "obligation_sla_days",
            "onboarding_target_days",
            "response_sla_minutes",
            "business_hours",
        )
        found = {new: self._given[old] for old, new in renamed.items() if old in self._given}
        return {**found, **{name: self._given[name] for name in same if name in self._given}}


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
