"""How far it is: a bar on a terminal, a line here and there elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

SPOKEN_EVERY = 10.0  # seconds


class Progress:
    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(stderr=True, soft_wrap=True, highlight=False)
        self._quiet = quiet

    def say(self, text: str) -> None:
        if not self._quiet:
            self._console.print(text, markup=False)

    @contextmanager
    def step(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """Yields what is to be told of every further piece of `total`."""
        if self._console.is_terminal and not self._quiet:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            with Bars(*columns, console=self._console) as bars:
                task = bars.add_task(what, total=total)
                yield lambda count: bars.advance(task, count)
            return
        done, spoken = 0, time.monotonic()

        def step(count: int) -> None:
            nonlocal done, spoken
            done += count
            if done >= total or time.monotonic() - spoken > SPOKEN_EVERY:
                spoken = time.monotonic()
                self.say(f"{what}: {done:,} of {total:,}")

        yield step
