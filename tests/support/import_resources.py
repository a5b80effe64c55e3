"""Resources as the services declare them, for tests of the import engine alone."""

from shared.imports.resource import CURRENCY, Column, Kind, Resource

ACCOUNTS = Resource(
    "accounts",
    (
        Column("name", required=True),
        Column("external_id", Kind.KEY),
        Column("corporate_number", Kind.KEY),
        Column("domain", Kind.KEY),
        Column("industry"),
        Column("employees", Kind.INTEGER, minimum=0),
        Column("prefecture"),
        Column("segment"),
    ),
    keys=(("external_id",), ("corporate_number",)),
)
OPPORTUNITIES = Resource(
    "opportunities",
    (
        Column("external_id", Kind.KEY, required=True),
        Column("lead_external_id", Kind.KEY),
        Column("account"),
        Column("origin", Kind.CHOICE, choices=("self_sourced", "partner", "referral", "expansion", "renewal")),
        Column("product"),
        Column("owner", Kind.KEY),
        Column("team"),
        Column("region"),
        Column("status", Kind.CHOICE, required=True, choices=("offered", "open", "won", "lost")),
        Column("opened_at", Kind.INSTANT),
        Column("closed_at", Kind.INSTANT),
        Column("expected_close_date", Kind.DATE),
        Column("amount", Kind.MONEY, minimum=0),
        CURRENCY,
    ),
    keys=(("external_id",),),
)
REPS = Resource(
    "reps",
    (
        Column("name", Kind.KEY, required=True),
        Column("email", Kind.EMAIL),
        Column("team"),
        Column("manager"),
        Column("region"),
        Column("slots_per_week", Kind.INTEGER, minimum=0),
        Column("started_on", Kind.DATE),
    ),
    keys=(("name",),),
)
CONTRACTS = Resource(
    "contracts",
    (
        Column("external_id", Kind.KEY, required=True),
        Column("account_external_id", Kind.KEY, required=True),
        Column("account_name"),
        Column("industry"),
        Column("plan"),
        Column("start_date", Kind.DATE, required=True),
        Column("end_date", Kind.DATE),
        Column("mrr", Kind.MONEY, required=True, minimum=0),
        CURRENCY,
        Column("seats", Kind.INTEGER, minimum=0),
        Column("trial", Kind.BOOLEAN),
        Column("billing_frequency", Kind.CHOICE, choices=("monthly", "quarterly", "annual")),
        Column("auto_renew", Kind.BOOLEAN),
    ),
    keys=(("external_id",),),
)
USAGE = Resource(
    "usage",
    (
        Column("contract_external_id", Kind.KEY),
        Column("account_external_id", Kind.KEY),
        Column("external_id", Kind.KEY),
        Column("date", Kind.DATE, required=True, past=True),
        Column("feature"),
        Column("count", Kind.INTEGER, minimum=0),
        Column("seconds", Kind.INTEGER, minimum=0),
        Column("errors", Kind.INTEGER, minimum=0),
    ),
    keys=(("external_id",),),
    one_of=(("contract_external_id", "account_external_id"),),
)
