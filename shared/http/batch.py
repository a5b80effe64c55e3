"""`POST …:batch`: many at once in one set-based act; where that fails, in halves down to single items, so that a bad
one costs only itself. Each item has its own answer."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from shared.database import Transaction
from shared.errors import Malformed, Problem
from shared.http.problems import as_problem, field_errors, problem_body
from shared.sqlerrors import transient

MOST = 1_000
T = TypeVar("T")


class Done(NamedTuple):
    """The status the item's own call would have answered, and the id where there is one."""

    status: int
    id: UUID | None = None


Act = Callable[[Sequence[T]], Awaitable[Sequence[Done]]]


def _each(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError as error:
        return Malformed(field_errors(error.errors()))


class BatchIn(BaseModel, Generic[T]):
    """`{"items": […]}`, or the list alone; at most 1,000."""

    model_config = ConfigDict(extra="forbid")

    items: list[Annotated[T, WrapValidator(_each)]] = Field(min_length=1, max_length=MOST)

    @model_validator(mode="before")
    @classmethod
    def _list_alone(cls, given: Any) -> Any:
        return {"items": given} if isinstance(given, list) else given


class ItemOut(BaseModel):
    """What became of one item: the status and id its own call would have answered, or the problem."""

    index: int
    status: int
    id: UUID | None = None
    problem: dict[str, Any] | None = None


class BatchOut(BaseModel):
    items: list[ItemOut]


async def answer_each(tx: Transaction, body: BatchIn[T], act: Act[T]) -> BatchOut:
    """`act` says what was done with each item, in their order; what is malformed never reaches it."""
    tx.if_match = None  # it speaks of one resource
    good = [item for item in body.items if not isinstance(item, Malformed)]
    done = iter(await _all_or_halves(tx, good, act) if good else [])
    found = [item if isinstance(item, Malformed) else next(done) for item in body.items]
    return BatchOut(items=[_answer(index, result) for index, result in enumerate(found)])


def _answer(index: int, found: Done | Problem) -> ItemOut:
    if isinstance(found, Problem):
        return ItemOut(index=index, status=found.status, problem=problem_body(found))
    return ItemOut(index=index, status=found.status, id=found.id)


async def _all_or_halves(tx: Transaction, items: Sequence[T], act: Act[T]) -> list[Done | Problem]:
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
    middle = len(items) // 2
    return [*await _all_or_halves(tx, items[:middle], act), *await _all_or_halves(tx, items[middle:], act)]
