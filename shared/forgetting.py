"""What the plumbing of every service still says of a person when everything else of them is erased: answers remembered
for those who ask again, and dead letters somebody decided to do without."""

from collections.abc import Iterable
from uuid import UUID

from shared.database import Transaction

# Whoever asks again gets the id alone: of what the answer was about where it begins with one, else of the person.
_ANSWERS = """
UPDATE idempotency_key SET body = CASE
    WHEN substring(body FROM 1 FOR 7) = convert_to('{"id":"', 'UTF8') THEN substring(body FROM 1 FOR 44) || '}'::bytea
    ELSE convert_to('{"id":"' || $1::text || '"}', 'UTF8') END
WHERE position(convert_to($1::text, 'UTF8') IN body) > 0
"""
# Whose bytes were that are no event cannot be told, so those of all go. What still waits may yet be taken in: it stays.
_DISCARDED = """
UPDATE dead_letter SET key = NULL, value = NULL, headers = '[]'
WHERE discarded_at IS NOT NULL AND value IS NOT NULL
  AND (type IS NULL OR stream = $1::text OR position(convert_to($1::text, 'UTF8') IN value) > 0)
"""


async def forget_person(tx: Transaction, leads: Iterable[UUID]) -> None:
    """To be called once their rows are locked, so that an act of before has left its answer."""
    for lead in leads:
        await tx.fetch(_ANSWERS, str(lead))
        await tx.fetch(_DISCARDED, str(lead))
