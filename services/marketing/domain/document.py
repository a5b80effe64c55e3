"""Rules that people write as JSON."""

from typing import ClassVar


class Document:
    """Read from what a person wrote: a field nobody knows is refused, not swallowed."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
