"""The present: everybody at work at once, for as long as it is wanted."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from deploy.simulate import company
from deploy.simulate.chance import Chance
from deploy.simulate.crowd import Crowd
from deploy.simulate.feedback import TEAMS
from deploy.simulate.floor.colleague import Colleague, Floor
from deploy.simulate.floor.customer_success import Product, SuccessManager
from deploy.simulate.floor.field_sales import FieldRep
from deploy.simulate.floor.inside_sales import InsideRep
from deploy.simulate.floor.mailroom import Correspondent
from deploy.simulate.floor.marketing import Counter, Marketer, Nurturer
from deploy.simulate.history import read_codes
from deploy.simulate.progress import Progress
from deploy.simulate.voices import Tally, Voices

SPOKEN_EVERY = 60.0  # seconds


def everybody(floor: Floor) -> Iterator[Colleague]:
    # Another crowd with every start: people who came live once are not invented again.
    crowd = Crowd(f"{floor.prefix}{int(time.time()):x}-", floor.chance)
    yield from (Marketer(who, floor, crowd=crowd) for who in company.MARKETING)
    yield Nurturer(company.MARKETING[1], floor)
    yield Counter(company.MARKETING[0], floor)
    yield from (InsideRep(who, floor) for who in company.INSIDE_SALES)
    yield from (FieldRep(who, floor) for who in company.FIELD_SALES)
    yield from (SuccessManager(who, floor) for who in company.CUSTOMER_SUCCESS)
    yield Product(company.CUSTOMER_SUCCESS[0], floor)
    yield from (Correspondent(team[-1], floor, department=department) for department, team in TEAMS.items())


async def play_live(
    voices: Voices, seed: int, speed: float, stop_after: float | None, progress: Progress
) -> dict[str, Any]:
    """Until `stop_after` seconds, or for ever; answers what was done."""
    voices.tally = Tally()
    floor = Floor(voices, Chance(), await read_codes(voices), f"S{seed}-", speed)
    progress.say(f"People are at work: {speed:g} simulated minutes a second. Ctrl-C ends it.")
    try:
        async with asyncio.timeout(stop_after), asyncio.TaskGroup() as group:
            for colleague in everybody(floor):
                group.create_task(colleague.run())
            while True:
                await asyncio.sleep(SPOKEN_EVERY)
                progress.say(_summary(floor))
    except (TimeoutError, asyncio.CancelledError):
        progress.say(_summary(floor))
    return {"done": dict(floor.done), **voices.tally.as_dict()}


def _summary(floor: Floor) -> str:
    return "So far: " + (", ".join(f"{count} {what}" for what, count in floor.done.most_common()) or "nothing")
