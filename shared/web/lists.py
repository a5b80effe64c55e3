"""Pages by declaration: a list with its filters, each record with what may be done to it.

    PAGES = (
        ListPage("leads", "/v1/leads", columns=(Column("name"), Column("created_at", Show.MOMENT)), acts=(…)),
    )
    router = pages_router(PAGES)

Names are keys of `messages/*.toml`: pages.<name>, columns.<name>, acts.<name>; coded values are looked up in
values.<column>.<code> or codes.<code>.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shared.auth import Role, User
from shared.web.words import Words

Body = dict[str, Any]


class Show(StrEnum):
    """How a value is written."""

    TEXT = "text"
    CODE = "code"
    MOMENT = "moment"
    DAY = "day"
    NUMBER = "number"
    PERCENT = "percent"
    MONEY = "money"
    LINES = "lines"


class Ask(StrEnum):
    """How a value is asked for; each becomes the JSON its name says."""

    TEXT = "text"
    LONG = "long"
    LINES = "lines"
    CODE = "code"
    YES_NO = "yes_no"
    NUMBER = "number"
    MONEY = "money"
    DAY = "day"
    MOMENT = "moment"
    EMAIL = "email"
    PHONE = "phone"


@dataclass(frozen=True, slots=True)
class Column:
    """`path` is where the value stands in an item of the API's list, when not under `name`; dots go deeper.

    `reasons` are the lists of `GET /v1/reasons` that know the words for its codes. Not `in_list`: only on the record.
    Of a list of things, `each` writes one.
    """

    name: str
    show: Show = Show.TEXT
    path: str = ""
    reasons: tuple[str, ...] = ()
    in_list: bool = True
    each: Callable[[Any, Words], str] = lambda one, words: str(one)

    def value(self, item: Mapping[str, Any]) -> Any:
        found: Any = item
        for part in (self.path or self.name).split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a form. `options` are codes; `reasons` names a list of `GET /v1/reasons` instead; `among` finds
    codes and words in the record itself."""

    name: str
    ask: Ask = Ask.TEXT
    required: bool = False
    options: tuple[str, ...] = ()
    reasons: str = ""
    among: Callable[[Mapping[str, Any], Words], list[tuple[str, str]]] | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """A write of the API. `to` may name `{id}` and fields of the form; those are left out of the body.

    It is offered to `roles` (and admin), or to the one role that the record's field `whose` names, where the record's
    state is in `states`, if any are named, and `when` holds; the API has the last word. `shape` turns the form's
    values into the body where the two differ. Not `in_list`: only on the record.
    """

    name: str
    to: str
    roles: tuple[Role, ...]
    fields: tuple[Field, ...] = ()
    states: frozenset[str] = frozenset()
    whose: str = ""
    method: str = "POST"
    in_list: bool = True
    when: Callable[[Mapping[str, Any]], bool] = lambda item: True
    shape: Callable[[Body], Body] = lambda body: body

    def offered(self, user: User, item: Mapping[str, Any], state: str) -> bool:
        roles = {item.get(self.whose)} if self.whose else {*self.roles}
        if not {*roles, Role.ADMIN} & user.roles:
            return False
        return (not self.states or item.get(state) in self.states) and self.when(item)


@dataclass(frozen=True, slots=True)
class ListPage:
    """`source` is the API's list; `{source}/{id}` one record, whose id is `key` and whose state is `state`.

    The first column is what a record is called by; `fixed` are query parameters every reader gets; `creates` are acts
    that need no record yet. `records` is where one record is read, if not below `source`.
    """

    name: str
    source: str
    columns: tuple[Column, ...]
    acts: tuple[Act, ...] = ()
    creates: tuple[Act, ...] = ()
    filters: tuple[Field, ...] = ()
    fixed: Mapping[str, str] = field(default_factory=dict)
    key: str = "id"
    state: str = "state"
    sort: str = "-created_at"
    records: str = ""
    limit: int = 25

    @property
    def path(self) -> str:
        return f"/{self.name.replace('_', '-')}"

    def act(self, name: str) -> Act | None:
        return next((act for act in (*self.acts, *self.creates) if act.name == name), None)
