"""The order in which a history is carried: every journey in its own, journeys side by side, until nothing is left.

Journeys wait for each other where they must: what cannot be told yet is tried again after the others have gone on, and
is given up when nobody has for a while and no news is on its way.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from deploy.history.carry.case import Cannot, Case, Desk, NotYet, Row
from deploy.history.carry.files import send
from deploy.history.carry.index import Index
from deploy.history.carry.report import Report
from deploy.history.carry.ways import CONCLUSIONS, KPI, WAYS
from deploy.history.telling import Telling
from deploy.local.supervisor import together
from deploy.simulate.acts import Act
from deploy.simulate.voices import Refused, Voices

AT_ONCE = 12  # journeys told side by side
PAUSE = 0.25  # seconds before what could not be told yet is tried again
QUIET = 3.0  # seconds without progress, after which we ask whether any news is on its way


@dataclass
class Journey:
    """Its `cases` in recorded order; `row` is on its way in a file, `waits` says what the first one waits for.

    `put_off` are those that went to the end, since what they wait for may have been recorded after them.
    """

    cases: deque[Case] = field(default_factory=deque)
    row: Row | None = None
    waits: str = ""
    put_off: set[UUID] = field(default_factory=set)


class Carrier:
    def __init__(self, voices: Voices, name: str, report: Report, step: Callable[[int], None]) -> None:
        self._voices, self._name, self._report, self._step = voices, name, report, step
        self._desk = Desk(voices)
        self._progressed = time.monotonic()

    async def carry(self, told: Iterable[Telling]) -> None:
        journeys = journeys_of(told)
        while journeys:
            before = self._report.gone_on
            waiting = iter(journeys)

            async def work(those: Iterable[Journey] = waiting) -> None:
                for journey in those:
                    await self._go_on(journey)

            await together(*(work() for _ in range(AT_ONCE)))
            await self._send_rows([one for one in journeys if one.row])
            journeys = [one for one in journeys if one.cases]
            if self._report.gone_on > before:
                self._progressed = time.monotonic()
            elif await self._hopeless():
                self._give_up(journeys)
            else:
                await asyncio.sleep(PAUSE)

    async def _go_on(self, journey: Journey) -> None:
        """As far as it comes by calls."""
        journey.waits = ""
        while journey.cases and journey.row is None and not journey.waits:
            case = journey.cases[0]
            try:
                taken = await self._tell(journey, case)
            except NotYet as reason:
                journey.waits = str(reason)
                continue
            except Cannot as reason:
                self._report.refuse(case.told, "cannot_be_told", str(reason))
            except Refused as refused:
                self._report.refuse(case.told, refused.rule, str(refused))
            else:
                if taken is None:
                    continue
                self._report.take(taken)
            self._done(journey)

    async def _tell(self, journey: Journey, case: Case) -> str | None:
        """What became of it; None while its row is on its way. Raises NotYet, Cannot, Refused."""
        way = WAYS.get(type(case.event))
        if way is None:
            self._report.conclude(case.told, CONCLUSIONS.get(type(case.event), KPI))
            return "concluded"
        steps = way.carry(case, await way.look(self._desk, case))
        learned: dict[str, str] = {}
        for step in steps:
            if isinstance(step, Row):
                journey.row = step
                return None
            await self._say(case, step, learned)
        return "carried" if steps else "known"

    async def _say(self, case: Case, act: Act, learned: dict[str, str]) -> None:
        path = act.path
        for name, value in learned.items():
            path = path.replace(f"{{{name}}}", value)
        key = f"{self._name}:{case.told.event_id}"
        answer = await self._voices.say(act.who, act.method, act.service, path, act.body, key)
        learned.update({name: answer[value] for name, value in (act.learns or {}).items()})

    async def _send_rows(self, journeys: list[Journey]) -> None:
        kinds = {(one.row.service, one.row.resource) for one in journeys if one.row}
        for service, resource in sorted(kinds):
            those = [one for one in journeys if one.row and (one.row.service, one.row.resource) == (service, resource)]
            refused = await send(self._voices, f"load-events-{self._name}", [one.row for one in those if one.row])
            for place, journey in enumerate(those):
                if place in refused:
                    self._report.refuse(journey.cases[0].told, *refused[place])
                else:
                    self._report.take("carried")
                journey.row = None
                self._done(journey)

    def _done(self, journey: Journey) -> None:
        journey.cases.popleft()
        self._step(1)

    async def _hopeless(self) -> bool:
        """Nobody has gone on for a while, and no department has anything left to hear."""
        idle = time.monotonic() - self._progressed
        return idle > self._voices.patience or (idle > QUIET and not await self._voices.behind())

    def _give_up(self, journeys: list[Journey]) -> None:
        """On the first of each journey: it gets a second chance after the others of its journey, and no third."""
        for journey in journeys:
            told = journey.cases[0].told
            if len(journey.cases) > 1 and told.event_id not in journey.put_off:
                journey.put_off.add(told.event_id)
                journey.cases.rotate(-1)
            else:
                self._report.refuse(told, "not_known", journey.waits)
                self._done(journey)


def journeys_of(told: Iterable[Telling]) -> list[Journey]:
    """The journeys, each in the order in which it was recorded, as the file has it where that is the same."""
    ordered = sorted(told, key=lambda one: one.recorded)
    index, found = Index.of(ordered), dict[str, Journey]()
    for telling in ordered:
        found.setdefault(index.journey(telling), Journey()).cases.append(Case(telling, index))
    return list(found.values())
