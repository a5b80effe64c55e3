"""Many at once (`:batch`): each item has its own answer, and a malformed one costs only itself."""

from typing import Annotated, Any, Generic, TypeVar
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

from shared.http.problems import field_errors

MOST = 1_000
T = TypeVar("T")


class Malformed(BaseModel):
    errors: list[dict[str, str]]


def _each(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError as error:
        return Malformed(errors=field_errors(error.errors()))


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
