"""What all rules kept as data have in common."""

from typing import ClassVar


class Rule:
    """A frozen dataclass of numbers the department sets; unknown ones are refused when it is read."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
