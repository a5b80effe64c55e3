"""The answer of `:batch` calls."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from services.marketing.commands.batches import all_or_each
from services.marketing.schemas.batch import BatchIn, BatchOut, ItemOut, Malformed
from shared.database import Transaction
from shared.errors import Invalid, Problem

T = TypeVar("T")


async def answer_each(
    tx: Transaction, body: BatchIn[T], act: Callable[[Sequence[T]], Awaitable[list[tuple[UUID, bool]]]]
) -> BatchOut:
    """`act` answers id and newness of each item; what is malformed never reaches it."""
    good = [item for item in body.items if not isinstance(item, Malformed)]
    done = await all_or_each(tx, good, act) if good else []
    results, items = iter(done), []
    for index, item in enumerate(body.items):
        if isinstance(item, Malformed):
            items.append(ItemOut(index=index, status=422, problem=_malformed(item)))
            continue
        result = next(results)
        if isinstance(result, Problem):
            items.append(ItemOut(index=index, status=result.status, problem=_problem(result)))
        else:
            items.append(ItemOut(index=index, status=201 if result[1] else 200, id=result[0]))
    return BatchOut(items=items)


def _malformed(item: Malformed) -> dict[str, Any]:
    detail = "; ".join(f"{error['field']}: {error['rule']}" for error in item.errors[:5])
    head = {"type": "/problems/invalid", "title": Invalid.title, "status": 422, "detail": detail}
    return head | {"errors": item.errors}


def _problem(problem: Problem) -> dict[str, Any]:
    head = {"type": f"/problems/{problem.rule}", "title": problem.title, "status": problem.status}
    return head | {"detail": problem.detail, **problem.more}
