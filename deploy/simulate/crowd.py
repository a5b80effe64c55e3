"""The crowd outside: companies and the people in them, invented from top to toe; their addresses lead nowhere."""

from dataclasses import dataclass

from deploy.simulate import company
from deploy.simulate.chance import Chance

COLLEAGUE = 0.06  # the chance that a new person works where somebody known does


@dataclass(frozen=True)
class Account:
    external_id: str
    name: str
    industry: str
    segment: str
    region: str
    prefecture: str
    employees: int

    @property
    def domain(self) -> str:
        return f"{self.external_id.lower()}.example.jp"


@dataclass(frozen=True)
class Prospect:
    external_id: str
    name: str
    kana: str
    email: str
    phone: str
    account: Account
    department: str
    job_title: str


class Crowd:
    """`prefix` begins every external id, so that two seeds can live in one installation."""

    def __init__(self, prefix: str, chance: Chance) -> None:
        self._prefix = prefix
        self._chance = chance
        self._names: set[str] = set()
        self._known: set[tuple[str, str, str]] = set()
        self._people = 0
        self.accounts: list[Account] = []

    def account(self) -> Account:
        chance, number = self._chance, len(self.accounts) + 1
        region, segment = chance.weighted(company.REGIONS), chance.weighted(company.SEGMENTS)
        made = Account(
            external_id=f"{self._prefix}A{number:05d}",
            name=self._name(),
            industry=chance.choice(company.INDUSTRIES),
            segment=segment,
            region=region,
            prefecture=chance.choice(company.PREFECTURES[region]),
            employees=chance.randint(*company.EMPLOYEES[segment]),
        )
        self.accounts.append(made)
        return made

    def person(self) -> Prospect:
        chance = self._chance
        known = self.accounts and chance.random() < COLLEAGUE
        account = chance.choice(self.accounts) if known else self.account()
        self._people += 1
        (family, family_kana), (given, given_kana) = self._person_name(account)
        external_id = f"{self._prefix}L{self._people:06d}"
        return Prospect(
            external_id=external_id,
            name=f"{family} {given}",
            kana=f"{family_kana} {given_kana}",
            email=f"{external_id.lower()}@{account.domain}",
            phone=f"03-0{self._people // 10_000:03d}-{self._people % 10_000:04d}",  # no exchange begins with 0
            account=account,
            department=chance.choice(company.DEPARTMENTS),
            job_title=chance.choice(company.JOB_TITLES),
        )

    def _person_name(self, account: Account) -> tuple[list[str], list[str]]:
        """Family and given name, each with its reading. Nobody in the same company is called the same."""
        while True:
            family, given = self._chance.choice(company.FAMILY_NAMES), self._chance.choice(company.GIVEN_NAMES)
            if (key := (account.external_id, family, given)) not in self._known:
                self._known.add(key)
                return family.split(":"), given.split(":")

    def _name(self) -> str:
        """A name no other company has."""
        chance = self._chance
        while True:
            parts = (company.COMPANY_HEADS, company.COMPANY_MIDDLES, company.COMPANY_TAILS)
            name = "".join(chance.choice(part) for part in parts)
            if name not in self._names:
                self._names.add(name)
                return f"株式会社{name}" if chance.random() < 0.7 else f"{name}株式会社"
