"""What a service is made of, said once in its `app.py`, and what it holds while it runs."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from sqlalchemy import MetaData

from shared.auth import Keys
from shared.database import Database, Transaction
from shared.messaging.consumer import Store
from shared.messaging.inbox import Handlers, Inbox, Prepare, nothing_to_hold
from shared.messaging.receiver import Receiver
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Periodic:
    """Work found by rule: `act` runs every `seconds` in one worker at a time, each time in a transaction of its own.

    It returns how many things it did; as long as that is at least `more_than` it runs again at once.
    """

    name: str
    seconds: float
    act: Callable[[Transaction, datetime], Awaitable[int]]
    more_than: int = 10**9

    def __post_init__(self) -> None:
        if self.more_than < 1:
            raise ValueError(f"{self.name} would never rest: nothing done is no reason to run again")


@dataclass
class Health:
    """What moves; `/readyz` judges by it. Instants of the loop's clock in seconds, 0 = not yet."""

    works: bool = False  # this process has the worker's tasks
    relay_at: float = 0.0
    consumer_at: float = 0.0
    halted: str = ""  # why the consumer goes no further, until a person has looked
    halted_at: float = 0.0
    outbox_rows: int = 0
    outbox_seconds: float = 0.0  # the age of the oldest of them
    draining: bool = False


@dataclass
class Runtime:
    """The process's own: made at its start, passed to whoever needs it."""

    settings: Settings
    database: Database
    keys: Keys
    health: Health = field(default_factory=Health)
    store: Store | None = None


@dataclass(frozen=True)
class Concerned:
    """What a journey is about in this department: `name` as people say it, and where its row and its owner stand."""

    name: str
    journey: Any
    id: Any
    owner: Any


@dataclass(frozen=True)
class Service:
    """`listens` are the publishers whose topics it reads; `make_store` replaces the department's inbox (kpi), and one
    that `gathers` (kpi, too) hears a fifth of a second later, of more at once: hand-offs go first. `record` is what a
    journey is about here."""

    name: str
    title: str
    description: str
    folder: Path
    metadata: MetaData
    routers: Sequence[APIRouter]
    handlers: Handlers = field(default_factory=dict)
    prepare: Prepare = nothing_to_hold
    listens: Sequence[str] = ()
    periodic: Sequence[Periodic] = ()
    tasks: Sequence[Callable[[Runtime], Awaitable[None]]] = ()
    make_store: Callable[[Runtime, Mapping[str, str]], Receiver] | None = None
    gathers: bool = False
    on_app: Callable[[FastAPI, Runtime], None] = lambda app, runtime: None
    record: Concerned | None = None

    def receiver(self, runtime: Runtime) -> Receiver:
        """The Store of its consumer."""
        publishers = {runtime.settings.topic(name): name for name in self.listens}
        if self.make_store:
            return self.make_store(runtime, publishers)
        dead = runtime.settings.dead_letter_topic
        return Inbox(runtime.database, self.handlers, publishers, dead, self.prepare)
