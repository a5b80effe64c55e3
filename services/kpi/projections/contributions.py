"""What a department does towards a deal or a customer, and feedback it gives about them; nothing a rule works out
(metrics.md C5).
"""

from collections.abc import Mapping

_ACTS: Mapping[str, tuple[str, ...]] = {
    "marketing": ("touch_recorded", "mql_created", "lead_recycled"),
    "inside_sales": ("first_contact_made", "mql_accepted", "sql_accepted", "appointment_set"),
    "field_sales": (
        "appointment_held",
        "opportunity_opened",
        "opportunity_updated",
        "first_visit_reviewed",
        "deal_won",
    ),
    "customer_success": (
        *("customer_accepted", "onboarding_completed", "pulse_recorded", "ticket_closed"),
        *("promise_reviewed", "contract_renewed"),
    ),
}
DEPARTMENTS = tuple(_ACTS)
CONTRIBUTIONS = frozenset(f"{name}.{act}.v1" for name, acts in _ACTS.items() for act in (*acts, "feedback_given"))


def by_others(owner: str) -> list[str]:
    """What departments other than this one contribute."""
    return sorted(kind for kind in CONTRIBUTIONS if not kind.startswith(f"{owner}."))
