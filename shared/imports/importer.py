"""What a service gives to take rows in: `Importer(RESOURCE, load)`.

    async def load(tx: Transaction, rows: Sequence[Row], context: ImportContext) -> list[Outcome]: ...

`load` gets up to 1,000 rows in the order of the file and answers one outcome for each, in that order. It works in the
transaction it is given, tells events by `tx.announce` with their own past dates, never commits, and does nothing that
a rollback could not undo: a dry run is rolled back, and when it raises, the same rows come again in smaller parts.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.database import Transaction
from shared.imports.resource import Resource, Row


class Taken(StrEnum):
    NEW = "new"
    UPDATED = "updated"  # it was known and the row says otherwise: an update with history
    UNCHANGED = "unchanged"  # the row says what is known
    WAITING = "waiting"  # kept, but what it links to is not known yet: it joins later


@dataclass(frozen=True, slots=True)
class Refused:
    """The stage's own no. `column` is the resource's field the rule speaks of, or empty for the whole row."""

    rule: str
    explanation: str
    column: str = ""


Outcome = Taken | Refused


@dataclass(frozen=True, slots=True)
class ImportContext:
    """`now` is the time of the import, the same for every batch of a job, also after a restart."""

    job_id: UUID
    now: datetime
    zone: ZoneInfo
    currency: str
    user: str
    dry_run: bool = False


Load = Callable[[Transaction, Sequence[Row], ImportContext], Awaitable[list[Outcome]]]


@dataclass(frozen=True, slots=True)
class Importer:
    resource: Resource
    load: Load
