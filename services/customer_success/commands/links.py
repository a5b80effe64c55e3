"""What a row of use or a ticket says it belongs to, and where that leads."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from services.customer_success.models import ContractRow, CustomerRow, StepRow
from shared.database import Transaction

Place = tuple[UUID, UUID | None]
"""Customer and, where one was named, contract."""


def contract_link(external_id: str) -> str:
    return f"contract:{external_id}"


def account_link(external_id: str) -> str:
    return f"account:{external_id}"


def id_link(key: UUID) -> str:
    return f"id:{key}"


@dataclass(frozen=True, slots=True)
class Link:
    """A contract or an account, by our id or by the caller's own."""

    contract_id: UUID | None = None
    contract_external_id: str | None = None
    account_id: UUID | None = None
    account_external_id: str | None = None

    @property
    def word(self) -> str:
        """As it is stored while it waits; the contract where it names one."""
        if self.contract_id:
            return id_link(self.contract_id)
        if self.contract_external_id:
            return contract_link(self.contract_external_id)
        return id_link(self.account_id) if self.account_id else account_link(self.account_external_id or "")

    @classmethod
    def of(cls, word: str) -> "Link":
        """The link a word was stored for. An id alone does not say whose it is, and is looked for as both."""
        kind, _, name = word.partition(":")
        if kind == "id":
            return cls(contract_id=UUID(name), account_id=UUID(name))
        return cls(contract_external_id=name) if kind == "contract" else cls(account_external_id=name)


async def resolve_links(tx: Transaction, links: Iterable[Link]) -> dict[str, Place]:
    """Word → where it leads, for those that lead somewhere. An amendment's external id leads to its contract."""
    given = set(links)
    ids = {key for link in given for key in (link.contract_id, link.account_id) if key}
    contracts = {link.contract_external_id for link in given if link.contract_external_id}
    accounts = {link.account_external_id for link in given if link.account_external_id}
    contract, step, customer = ContractRow, StepRow, CustomerRow
    found: dict[str, Place] = {}
    if ids:
        whole = select(customer.id).where(customer.id.in_(ids))
        found |= {id_link(key): (key, None) for key in await tx.session.scalars(whole)}
        part = select(contract.id, contract.customer_id).where(contract.id.in_(ids))
        found |= {id_link(key): (owner, key) for key, owner in (await tx.session.execute(part))}
    if contracts:
        mine = select(contract.external_id, contract.customer_id, contract.id)
        named = (await tx.session.execute(mine.where(contract.external_id.in_(contracts)))).all()
        through = select(step.external_id, contract.customer_id, contract.id)
        amended = through.join(contract, contract.id == step.contract_id).where(step.external_id.in_(contracts))
        aliased = (await tx.session.execute(amended)).all()
        found |= {contract_link(name or ""): (owner, key) for name, owner, key in (*aliased, *named)}
    if accounts:
        known = select(customer.external_id, customer.id).where(customer.external_id.in_(accounts))
        found |= {account_link(name or ""): (key, None) for name, key in (await tx.session.execute(known))}
    return found
