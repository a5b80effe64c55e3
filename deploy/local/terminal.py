"""What a person at the terminal sees: prefixed lines of every program, progress, and our own words."""

import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

_COLOURS = ("36", "33", "32", "35", "34", "96", "93", "92", "95", "94")
_WIDTH = 16  # customer_success
_LONGEST_QUEUE = 20_000


class _Size(DownloadColumn):
    """How much of how much, where that is known."""

    def render(self, task: Task) -> Text:
        return super().render(task) if task.total else Text()


class Terminal:
    """Writes from a thread: a terminal that is held (Ctrl-S, a selection) must not hold the programs behind it.

    What does not fit the queue meanwhile is dropped and counted; a terminal that is gone is forgotten.
    """

    def __init__(self) -> None:
        self.console = Console(soft_wrap=True, highlight=False)
        self._coloured = self.console.is_terminal and not os.environ.get("NO_COLOR")
        self._colours: dict[str, str] = {}
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def show(self, name: str, line: str) -> None:
        """One line that a program said."""
        prefix = f"{name:>{_WIDTH}} |"
        if self._coloured:
            colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        self._put(f"{prefix} {line}\n")

    def say(self, markup: str) -> None:
        """Our own words, in rich's markup."""
        with self.console.capture() as capture:
            self.console.print(markup)
        self._put(capture.get())

    def _put(self, text: str) -> None:
        if self._queue.qsize() > _LONGEST_QUEUE:
            self._dropped += 1
            return
        if self._dropped:
            text, self._dropped = f"({self._dropped} lines were dropped while the terminal was held)\n{text}", 0
        self._queue.put(text)

    def _write(self) -> None:
        while (text := self._queue.get()) is not None:
            try:
                sys.stdout.write(text)
                if self._queue.empty():
                    sys.stdout.flush()
            except (OSError, ValueError):
                continue  # nobody reads any more

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join(timeout=1)

    @contextmanager
    def progress(self) -> Iterator["Steps"]:
        """Shows first-time work; nothing else may be said meanwhile."""
        if not self._coloured:
            yield Steps(self.say, None)
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            _Size(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as shown:
            yield Steps(self.say, shown)


class Steps:
    """First-time work, as bars on a terminal and as one line per step elsewhere."""

    def __init__(self, say: Callable[[str], None], shown: Progress | None) -> None:
        self._say, self._shown = say, shown

    @contextmanager
    def step(self, what: str, total_bytes: int | None = None) -> Iterator[Callable[[int], None]]:
        """Yields what is to be told of every further piece of `total_bytes`."""
        if self._shown is None:
            self._say(f"{what} …")
            yield lambda size: None
            return
        shown = self._shown
        task = shown.add_task(what, total=total_bytes)
        try:
            yield lambda size: shown.advance(task, size)
        finally:
            shown.update(task, visible=False)


def table_console() -> Console:
    """As wide as the terminal; and wide enough for whole rows where somebody reads a file or a pipe."""
    return Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 250)
