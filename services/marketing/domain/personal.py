"""What is a person's own: who may see it, and what may leave the service in an event."""

import re
from collections.abc import Iterable

from services.marketing.domain.folding import folded, phone_key

PERSONAL = ("name", "name_kana", "email", "phone", "department", "job_title")
"""Fields of a lead that are told to nobody outside the departments, and to no topic."""

IDENTIFYING = ("name", "name_kana", "email", "phone")
"""Those that say who it is, even in part."""

_RUN = re.compile(r"[+(]?[0-9][0-9()\s-]{8,}")
_LONGEST = 120


def shareable(content: str, secrets: Iterable[str | None]) -> bool:
    """Is `content` the name of a content? Not, if it holds an address, a phone number or a part of a secret."""
    text = folded(content)
    if len(text) > _LONGEST or "@" in text or "\n" in text:
        return False
    if any(phone_key(run) for run in _RUN.findall(text)):
        return False
    parts = {
        part for secret in secrets if secret for part in (*folded(secret).split(), "".join(folded(secret).split()))
    }
    return not any(len(part) > 1 and part in "".join(text.split()) for part in parts)
