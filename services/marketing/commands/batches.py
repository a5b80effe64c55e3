"""Many at once: one set-based act; where it fails, one at a time, so that a bad item costs only itself."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from shared.database import Transaction
from shared.errors import Problem
from shared.http.problems import as_problem
from shared.sqlerrors import transient

T = TypeVar("T")
R = TypeVar("R")


async def all_or_each(
    tx: Transaction, items: Sequence[T], act: Callable[[Sequence[T]], Awaitable[list[R]]]
) -> list[R | Problem]:
    """One result for each item, in order. An engine away, and a bug, are raised."""
    try:
        async with tx.savepoint():
            return list(await act(items))
    except Exception as error:
        problem = as_problem(error)
        if problem is None or transient(error):
            raise
    if len(items) == 1:
        return [problem]
    return [result for item in items for result in await all_or_each(tx, [item], act)]
