"""The story as the CSV files a company would bring: rows of contract columns, cut where the history ends."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from deploy.simulate import company
from deploy.simulate.chronicle import Chronicle
from deploy.simulate.story import Cycle, Lead
from shared.clock import start_of_day, wire_time

Cell = str | int | date | datetime | bool | None
Cells = dict[str, Cell]


@dataclass(frozen=True, slots=True)
class File:
    """`services` take it, one after the other."""

    resource: str
    services: tuple[str, ...]
    rows: Callable[[Chronicle], Iterator[Cells]]

    def content(self, told: Chronicle) -> bytes:
        return csv_of(self.rows(told))


def csv_of(rows: Iterable[Cells]) -> bytes:
    """UTF-8 with a header of the first row's names; nothing without rows."""
    page, writer = io.StringIO(), None
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(page, row.keys())
            writer.writeheader()
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return page.getvalue().encode()


def _cell(value: Cell) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return wire_time(value)
        case date():
            return value.isoformat()
    return str(value)


def _known(told: Chronicle, instant: datetime | None) -> datetime | None:
    """An instant the history knows: one before its end."""
    return instant if instant and instant < start_of_day(told.end) else None


def accounts(told: Chronicle) -> Iterator[Cells]:
    for account in told.accounts:
        yield {
            "external_id": account.external_id,
            "name": account.name,
            "domain": account.domain,
            "industry": account.industry,
            "employees": account.employees,
            "prefecture": account.prefecture,
            "segment": account.segment,
        }


def leads(told: Chronicle) -> Iterator[Cells]:
    for lead in told.leads:
        person, account = lead.person, lead.person.account
        yield {
            "external_id": person.external_id,
            "email": person.email,
            "name": person.name,
            "name_kana": person.kana,
            "company": account.name,
            "department": person.department,
            "job_title": person.job_title,
            "phone": person.phone,
            "channel": lead.channel.code,
            "campaign": lead.campaign,
            "content": lead.content,
            "segment": account.segment,
            "industry": account.industry,
            "product": lead.product.code,
            "price_band": lead.product.price_band,
            "region": account.region,
            "consent": True,
            "created_at": lead.created_at,
            "mql_at": _known(told, lead.cycles[0].mql_at),
            "score": lead.score,
        }


def prospects(told: Chronicle) -> Iterator[Cells]:
    """What inside sales did in first cycles; later ones are told by people."""
    for lead in told.leads:
        cycle = lead.cycles[0]
        if _known(told, cycle.contacted_at):
            yield _prospect(told, lead, cycle)


def _prospect(told: Chronicle, lead: Lead, cycle: Cycle) -> Cells:
    rejected, sql = _known(told, cycle.rejected_at), _known(told, cycle.sql_at)
    answers = cycle.answers if sql else {}
    return {
        "lead_external_id": lead.person.external_id,
        "owner": cycle.inside.id,
        "first_contact_at": cycle.contacted_at,
        "accepted_at": _known(told, cycle.accepted_at),
        "rejected_at": rejected,
        "reason": cycle.reason.code if rejected and cycle.reason else None,
        "sql_at": sql,
        **{item: answers.get(item) for item in ("budget", "authority", "need", "timing")},
        "comment": company.CALL_NOTES[len(lead.person.name) % len(company.CALL_NOTES)] if sql else None,
    }


def visits(told: Chronicle) -> Iterator[Cells]:
    for day, channel, visitors in told.visits:
        yield {"date": day, "channel": channel, "visitors": visitors}


def spend(told: Chronicle) -> Iterator[Cells]:
    for day, channel, amount in told.spend:
        yield {"date": day, "channel": channel, "amount": amount, "currency": "JPY"}


def reps(_: Chronicle) -> Iterator[Cells]:
    for person in (*company.INSIDE_SALES, *company.FIELD_SALES):
        yield {
            "name": person.name,
            "email": f"{person.id}@our.example.jp",
            "team": person.team,
            "region": person.region,
            "slots_per_week": person.slots or None,
        }


def contracts(told: Chronicle) -> Iterator[Cells]:
    for contract in told.old_book:
        yield {
            "external_id": contract.external_id,
            "account_external_id": contract.account.external_id,
            "account_name": contract.account.name,
            "industry": contract.account.industry,
            "segment": contract.account.segment,
            "plan": contract.product.code,
            "start_date": contract.signed_on,
            "term_months": 12,
            "mrr": contract.mrr,
            "currency": "JPY",
            "seats": max(3, contract.mrr // 6_000),
            "billing_frequency": "monthly",
            "auto_renew": False,
        }


def usage(told: Chronicle) -> Iterator[Cells]:
    for account, day, feature, count, users in told.usage:
        yield {
            "account_external_id": account,
            "date": day,
            "feature": feature,
            "count": count,
            "seconds": count * 90,
            "active_users": users,
        }


def tickets(told: Chronicle) -> Iterator[Cells]:
    for customer in told.customers:
        for ticket in customer.tickets:
            closed = _known(told, ticket.closed_at)
            yield {
                "account_external_id": customer.account.external_id,
                "external_id": f"{customer.account.external_id}-T{ticket.number}",
                "opened_at": ticket.opened_at,
                "closed_at": closed,
                "kind": ticket.kind,
                "priority": ticket.priority,
                "owner": customer.csm.id,
                "subject": ticket.subject,
                "satisfaction": ticket.satisfaction if closed else None,
            }


BEFORE = (
    File("reps", ("field_sales", "inside_sales"), reps),
    File("accounts", ("marketing",), accounts),
    File("visits", ("marketing",), visits),
    File("spend", ("marketing",), spend),
    File("leads", ("marketing",), leads),
    File("prospects", ("inside_sales",), prospects),
    File("contracts", ("customer_success",), contracts),
)
"""What comes before anybody acts; each file may speak of what the ones before it told."""
AFTER = (
    File("tickets", ("customer_success",), tickets),
    File("usage", ("customer_success",), usage),
)
"""What customers did, once all of them are known."""
