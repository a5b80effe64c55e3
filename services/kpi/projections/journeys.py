"""A person's whole way: the cycles of a lead with their opportunities, or an opportunity nobody is known behind."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.kpi.projections import facts as told
from services.kpi.projections.appointments import fold_appointments
from services.kpi.projections.dimensions import Carried, Telling
from services.kpi.projections.facts import Fact, in_order
from services.kpi.projections.opportunities import Link, Opportunity, company_of, fold_opportunity
from services.kpi.projections.places import fold_places
from services.kpi.projections.rows import FUNNEL, Appointment, OpportunityState, Passage, Place
from services.kpi.projections.spells import Spell, spells

FIRST = {
    "lead": (told.LEAD_CREATED, told.LEAD_RECYCLED),
    "mql": (told.MQL_CREATED,),
    "contacted": (told.FIRST_CONTACT_MADE,),
    "sql": (told.SQL_ACCEPTED, told.SQL_RECEIVED),
}
"""Milestones entered once a cycle, by the earliest told."""

DECISIONS = {told.MQL_ACCEPTED: "mql_accepted", told.MQL_REJECTED: "mql_rejected"}
Key = tuple[UUID | None, int | None, UUID | None]
"""A way: its lead and cycle, or its opportunity."""
FORWARD = {told.MQL_CREATED, told.MQL_ACCEPTED, told.SQL_ACCEPTED, told.OPPORTUNITY_OPENED}


@dataclass
class Journey:
    """The rows of one group of facts."""

    passages: list[Passage] = field(default_factory=list)
    states: list[OpportunityState] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    appointments: list[Appointment] = field(default_factory=list)


@dataclass
class _Way:
    """One cycle of a lead (or, without a lead, one opportunity): its facts in order, its opportunities."""

    lead_id: UUID | None
    cycle: int | None
    facts: list[Fact] = field(default_factory=list)
    opportunities: list[Opportunity] = field(default_factory=list)


def fold_journey(facts: Iterable[Fact]) -> Journey:
    """Facts of one group (see identity.journeys), in any order."""
    ordered = [fact for fact in in_order(facts) if fact.type in told.JOURNEY_TYPES]
    steps = [fact for fact in ordered if fact.type not in told.APPOINTMENT_TYPES]
    leads = _people(steps)
    ways = _ways(steps, leads)
    latest = {lead_id: person.known.latest for lead_id, person in leads.items()}
    found = Journey(appointments=fold_appointments(ordered, latest))
    for way in ways:
        lead = leads.get(way.lead_id) if way.lead_id else None
        found.states += [state for opportunity in way.opportunities for state in opportunity.states]
        found.passages += _with_skipped(_passages(way, lead))
        if way.lead_id and way.cycle:
            following = [w.facts for w in ways if w.lead_id == way.lead_id and w.cycle and w.cycle > way.cycle]
            known = lead.known if lead else Carried([])
            found.places += fold_places(way.lead_id, way.cycle, way.facts, known, _begins(following))
    return found


@dataclass(frozen=True, slots=True)
class _Person:
    known: Carried
    account_id: UUID | None


def _people(ordered: Sequence[Fact]) -> dict[UUID, _Person]:
    by_lead: defaultdict[UUID, list[Fact]] = defaultdict(list)
    for fact in ordered:
        if fact.lead_id and fact.publisher in ("marketing", "inside_sales"):
            by_lead[fact.lead_id].append(fact)
    return {
        lead_id: _Person(
            Carried(Telling(fact.occurred_at, fact.publisher, fact.dimensions) for fact in mine),
            next((fact.account_id for fact in reversed(mine) if fact.account_id), None),
        )
        for lead_id, mine in by_lead.items()
    }


def _ways(ordered: Sequence[Fact], leads: dict[UUID, _Person]) -> list[_Way]:
    by_opportunity: defaultdict[UUID, list[Fact]] = defaultdict(list)
    ways: dict[Key, _Way] = {}
    for fact in ordered:
        if fact.opportunity_id:
            by_opportunity[fact.opportunity_id].append(fact)
    links = {opportunity: _link(opportunity, facts, leads) for opportunity, facts in by_opportunity.items()}
    for fact in ordered:
        link = links[fact.opportunity_id] if fact.opportunity_id else None
        own = fact.publisher in ("marketing", "inside_sales") or link is None
        lead_id, cycle = (fact.lead_id, fact.cycle) if own or link is None else (link.lead_id, link.cycle)
        key: Key = (lead_id, cycle or 1, None) if lead_id else (None, None, fact.opportunity_id)
        if fact.publisher != "customer_success":
            ways.setdefault(key, _Way(*key[:2])).facts.append(fact)
    for opportunity, link in links.items():
        facts = by_opportunity[opportunity]
        key = (link.lead_id, link.cycle, None) if link.lead_id else (None, None, opportunity)
        person = leads.get(link.lead_id) if link.lead_id else None
        folded = fold_opportunity(facts, link, person.known if person else None)
        ways.setdefault(key, _Way(*key[:2])).opportunities.append(folded)
    return list(ways.values())


def _link(opportunity: UUID, facts: Sequence[Fact], leads: dict[UUID, _Person]) -> Link:
    naming = [fact for fact in facts if fact.lead_id and fact.publisher != "customer_success"]
    latest = naming[-1] if naming else None
    lead_id = latest.lead_id if latest else None
    cycle = next((fact.cycle for fact in reversed(naming) if fact.cycle and fact.lead_id == lead_id), 1)
    account = company_of(facts) or (leads[lead_id].account_id if lead_id in leads else None)
    return Link(opportunity, lead_id, cycle if lead_id else None, account)


def _begins(ways: Sequence[Sequence[Fact]]) -> datetime | None:
    """When the first of later cycles was opened, or first heard of where nobody told that."""
    return min((fact.occurred_at for facts in ways for fact in facts), default=None)


def _passages(way: _Way, person: _Person | None) -> list[Passage]:
    found = [passage for opportunity in way.opportunities for passage in opportunity.passages]
    found += [_entry(way, spell, person, number) for number, spell in _numbered(_spells(way))]
    source = next((fact.data.get("cycle_source") for fact in way.facts if fact.type == told.LEAD_RECYCLED), None)
    for passage in found:
        passage.cycle_source = source
    return found


def _spells(way: _Way) -> list[Spell]:
    facts = way.facts
    found = [
        Spell(name, first, None)
        for name, types in FIRST.items()
        if (first := next((fact for fact in facts if fact.type in types and fact.data.get("dated", True)), None))
    ]
    found += spells(facts, DECISIONS, {"mql_rejected": {told.MQL_CREATED, told.SQL_ACCEPTED}})
    found += spells(facts, {told.LEAD_DROPPED: "dropped"}, {"dropped": FORWARD})
    returned = {told.SQL_ACCEPTED, told.OPPORTUNITY_OPENED}
    return found + spells(facts, {told.SQL_RETURNED: "sql_returned"}, {"sql_returned": returned})


def _numbered(found: Sequence[Spell]) -> list[tuple[int, Spell]]:
    numbers: defaultdict[str, int] = defaultdict(int)
    numbered = []
    for spell in found:
        numbered.append((numbers[spell.name], spell))
        numbers[spell.name] += 1
    return numbered


def _entry(way: _Way, spell: Spell, person: _Person | None, ordinal: int) -> Passage:
    fact = spell.fact
    subject = way.lead_id or fact.opportunity_id
    assert subject is not None
    known = person.known if person else Carried([])
    told_later = [o.link.account_id for o in way.opportunities if o.link.account_id]
    return Passage(
        milestone=spell.name,
        subject=subject,
        ordinal=ordinal,
        at=fact.occurred_at,
        until=spell.until,
        event_id=fact.id,
        lead_id=way.lead_id,
        cycle=way.cycle,
        opportunity_id=fact.opportunity_id if spell.name in ("sql", "sql_returned") else None,
        account_id=(person.account_id if person else None) or next(iter(told_later), None),
        outside=(spell.name == "lead" and (way.cycle or 1) > 1) or (spell.name == "sql" and way.lead_id is None),
        reason=fact.data.get("reason"),
        dimensions=known.at(fact.occurred_at, fact.publisher, fact.dimensions),
        latest={**fact.dimensions, **known.latest},
    )


def _with_skipped(passages: Sequence[Passage]) -> Sequence[Passage]:
    """Each entry with the milestones before it that had not been entered by then, and should have been."""
    entered: defaultdict[str, list[datetime]] = defaultdict(list)
    for passage in passages:
        entered[passage.milestone].append(passage.at)
    outside = {p.opportunity_id for p in passages if p.milestone == "opportunity" and p.outside}
    for passage in passages:
        if passage.milestone in FUNNEL:
            found = passage.opportunity_id is not None and passage.opportunity_id in outside
            expected = FUNNEL[FUNNEL.index("opportunity") if found else 0 : FUNNEL.index(passage.milestone)]
            passage.skipped = tuple(n for n in expected if not any(at <= passage.at for at in entered[n]))
    return passages
