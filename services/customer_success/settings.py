"""What a company decides of its customer success: the reasons it tells apart, and the rules as they are shipped."""

import tomllib
from pathlib import Path
from typing import Any

from shared.http.reasons import Reason, Reasons

_FOLDER = Path(__file__).parent


def _page(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / name).read_text("utf-8"))


REASONS = Reasons(
    {
        purpose: [Reason(code=code, **words) for code, words in codes.items()]
        for purpose, codes in _page("reasons.toml").items()
    }
)
SHIPPED_RULES: dict[str, Any] = _page("rules.toml")
"""Version 1 of every rule, by name."""
