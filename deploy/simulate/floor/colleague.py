"""Somebody at work: one thing after another, at the pace of the simulated clock."""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy.local.errors import CommandError
from deploy.simulate.chance import Chance, Codes
from deploy.simulate.company import Person
from deploy.simulate.voices import Refused, Voices

AWAY = 2.0  # seconds
OFFICE_DAY = 540.0  # minutes that count; nights and weekends are left out


@dataclass
class Floor:
    """What everybody shares. `speed` is simulated minutes in a real second."""

    voices: Voices
    chance: Chance
    codes: Codes
    prefix: str
    speed: float
    done: Counter[str] = field(default_factory=Counter)

    def seconds(self, minutes: float) -> float:
        return minutes / self.speed

    async def pause(self, minutes: float) -> None:
        """About so many simulated minutes."""
        await asyncio.sleep(self.seconds(minutes * self.chance.uniform(0.5, 1.5)))


class Colleague(ABC):
    """`every` are the minutes between two pieces of work."""

    service: str
    every: float

    def __init__(self, who: Person, floor: Floor) -> None:
        self.who = who
        self.floor = floor
        self.chance = floor.chance

    @abstractmethod
    async def work(self) -> None:
        """One piece of work, or nothing where there is none."""

    async def run(self) -> None:
        """For ever. What the product refuses is counted: somebody else may have been faster. One that is away is
        waited for."""
        while True:
            await self.floor.pause(self.every)
            try:
                await self.work()
            except Refused as refused:
                self.floor.voices.tally.refuse(refused)
            except CommandError:
                await asyncio.sleep(AWAY)

    async def say(self, path: str, body: Mapping[str, Any] | None = None, method: str = "POST") -> Any:
        return await self.floor.voices.say(self.who, method, self.service, path, body or {})

    async def see(self, path: str, **query: Any) -> list[Any]:
        """One page of a list."""
        page = await self.floor.voices.get(self.service, path, self.who, limit=100, **query)
        return list(page["items"])

    def did(self, what: str) -> None:
        self.floor.done[what] += 1

    def a_code(self, purpose: str) -> str:
        return self.chance.code(self.floor.codes[purpose]).code
