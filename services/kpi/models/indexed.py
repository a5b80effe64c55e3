"""What indexes are made of, in the words a query must use to be answered from them."""

from services.kpi.projections.facts import CONTRACT_RENEWED, CONTRACT_STARTED, SUBSCRIPTION_CHANGED

PAID = f"type IN ('{CONTRACT_STARTED}', '{CONTRACT_RENEWED}', '{SUBSCRIPTION_CHANGED}')"
"""Facts of whose contracts there are and what is paid for them. A query that says so, of an account and of no other
columns than these, is answered from an index alone."""
PAID_COLUMNS = ["type", "contract_id", "occurred_at", "recorded_at", "mrr_amount", "mrr_currency"]
WHAT_AND_WHEN = ("type", "occurred_at")
"""Whether anything of a kind was told of somebody in a time is answered from the index alone."""
LASTS = "coalesce(until, 'infinity'::timestamptz)"
"""Until when a row holds, so that which rows held at a moment is found in the index."""
STEP = "phase_since IS NULL OR phase_since = at"
"""States of an opportunity that begin a phase, or in which it is not open."""
STEP_COLUMNS = ["status", "phase"]
HELD_COLUMNS = ["account_id", "kind", "currency", "delta", "paid"]
"""What is paid at a moment, and what changes in a span, is answered from the index alone."""
FEEDBACK = "data ->> 'feedback_id'"
"""The item a fact of feedback tells of, indexed too."""
