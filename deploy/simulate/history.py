"""The past, told as a company would that moves in: files first, then what people did, each act with its own date."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from deploy.local.errors import CommandError
from deploy.local.supervisor import together
from deploy.simulate import company, plan
from deploy.simulate.acts import Act
from deploy.simulate.chance import Code, Codes
from deploy.simulate.chronicle import Chronicle, Thread, tell
from deploy.simulate.files import AFTER, BEFORE, File
from deploy.simulate.progress import Progress
from deploy.simulate.voices import NotHeard, Refused, Voices
from shared.clock import day_of, utc_now, wire_time

AT_ONCE = 12  # threads told side by side
LISTS = {
    "inside_sales": ("reject", "drop", "budget", "authority", "need", "timing", "size"),
    "field_sales": ("return", "lose", "first_visit"),
    "customer_success": ("churn", "ticket_kind"),
}
UNSAID = ("not_recorded", "other", "unknown")  # what files leave out, and people who answer do not
TELLERS = {"marketing": company.MARKETING[0], "inside_sales": company.INSIDE_SALES[0]}
TELLERS |= {"field_sales": company.FIELD_SALES[0], "customer_success": company.CUSTOMER_SUCCESS[0]}
REPORTED = ("resource", "read", "new", "updated", "unchanged", "waiting", "refused", "events")
Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Anchor:
    """The day the history of this seed ends: today the first time, the same day ever after."""

    end: date
    months: int
    whole: bool  # it was told to its end before


def file_name(seed: int, months: int, end: date, resource: str) -> str:
    return f"simulate-{seed}-{months}-{end.isoformat()}-{resource}.csv"


async def find_anchor(voices: Voices, seed: int, months: int) -> Anchor:
    """By the files that were sent. Raises CommandError where the seed has told another length of history."""
    first, last = BEFORE[1], AFTER[-1]
    known = await _sent(voices, first, seed)
    if known is None:
        return Anchor(day_of(utc_now()), months, False)
    end, told_months, _ = known
    if told_months != months:
        detail = f"seed {seed} has told {told_months} months here; use --months {told_months} or another --seed"
        raise CommandError(detail)
    finished = await _sent(voices, last, seed)
    return Anchor(end, months, finished is not None and finished[2] == "finished")


async def _sent(voices: Voices, file: File, seed: int) -> tuple[date, int, str] | None:
    """End, months and status of the import of this seed's file."""
    form = re.compile(rf"simulate-{seed}-(\d+)-(\d{{4}}-\d\d-\d\d)-{file.resource}\.csv")
    async for job in voices.every(file.services[0], "/v1/imports", resource=file.resource):
        if found := form.fullmatch(job["file_name"] or ""):
            return date.fromisoformat(found[2]), int(found[1]), job["status"]
    return None


async def read_codes(voices: Voices) -> Codes:
    """The departments' own lists."""
    codes: dict[str, list[Code]] = {}
    passes = (await voices.get("inside_sales", "/v1/rules/hand_over"))["rule"]["passes"]
    for service, purposes in LISTS.items():
        lists = await voices.get(service, "/v1/reasons")
        for purpose in purposes:
            good = passes.get(purpose) if service == "inside_sales" else None
            codes[purpose] = [
                Code(found["code"], bool(found["recyclable"]), good is None or found["code"] in good)
                for found in lists[purpose]
                if found["code"] not in UNSAID
            ]
    onboarding = (await voices.get("customer_success", "/v1/rules/onboarding"))["rule"]
    codes["onboarding"] = [Code(task["key"]) for task in onboarding["plans"][0]["tasks"]]
    return codes


class History:
    def __init__(self, voices: Voices, told: Chronicle, seed: int, months: int, progress: Progress) -> None:
        self._voices = voices
        self._told = told
        self._name = (seed, months, told.end)
        self._progress = progress
        self._found: dict[str, Found] = {}
        self.imports: list[dict[str, Any]] = []

    async def play(self) -> None:
        await self._settle_in()
        await self._send(BEFORE)
        await self._let_it_sink_in()
        await self._find_opportunities()
        await self._act()
        await self._send(AFTER)

    async def _settle_in(self) -> None:
        """Colleagues, settings and targets."""
        voices, months = self._voices, self._name[1]
        for person in (*company.INSIDE_SALES, *company.FIELD_SALES):
            about = {"name": person.name, "team": person.team, "region": person.region}
            services = ("inside_sales", "field_sales") if person.slots else ("inside_sales",)
            for service in services:
                await voices.say(company.OPERATIONS, "PUT", service, f"/v1/reps/{person.id}", about)
        await self._plan_onboarding(months)
        for name, value in plan.SETTINGS.items():
            body = {"value": value, "valid_from": self._told.start.isoformat()}
            await voices.say(company.OPERATIONS, "PUT", "kpi", f"/v1/settings/{name}", body)
        for month, target in plan.targets(self._told):
            await voices.say(company.OPERATIONS, "PUT", "kpi", f"/v1/targets/{month}", target)

    async def _plan_onboarding(self, months: int) -> None:
        """A deal of the whole history has an onboarding plan, so that its tasks can be told."""
        rule = (await self._voices.get("customer_success", "/v1/rules/onboarding"))["rule"]
        days = months * 31 + 31
        if rule["plan_within_days"] < days:
            body = {"rule": {**rule, "plan_within_days": days}}
            who = company.CUSTOMER_SUCCESS[0]
            await self._voices.say(who, "PUT", "customer_success", "/v1/rules/onboarding", body)

    async def _send(self, files: tuple[File, ...]) -> None:
        for file in files:
            content = file.content(self._told)
            if not content:
                continue
            name = file_name(*self._name, file.resource)
            for service in file.services:
                with self._progress.step(f"{file.resource} → {service}", content.count(b"\n") - 1) as step:
                    job = await self._voices.send_file(TELLERS[service], service, file.resource, name, content)
                    step(job["read"])
                    self.imports.append({"service": service, **{name: job[name] for name in REPORTED}})

    async def _let_it_sink_in(self) -> None:
        """Until every department has heard of all that the files told, and what waited for it has joined."""
        now = left = await self._voices.behind()
        with self._progress.step("departments read along", left) as step:
            while now:
                await asyncio.sleep(1)
                now = await self._voices.behind()  # more may have been told meanwhile
                step(max(0, left - now))
                left = min(left, now)
        await self._voices.empty("inside_sales", "/v1/waiting")

    async def _find_opportunities(self) -> None:
        """What is known of them from an earlier, interrupted run."""
        async for row in self._voices.every("field_sales", "/v1/opportunities"):
            if row["lead_external_id"]:
                found = self._found.setdefault(row["lead_external_id"], {})
                found[f"opportunity{row['cycle']}"] = row["id"]
                if row["contract_id"]:
                    found["contract"] = row["contract_id"]

    async def _act(self) -> None:
        """Threads side by side, each in its own order."""
        with self._progress.step("people at work", self._told.calls) as step:
            waiting = iter(self._told.threads)

            async def work() -> None:
                for thread in waiting:
                    await self._tell(thread)
                    step(len(thread.acts))

            await together(*(work() for _ in range(AT_ONCE)))

    async def _tell(self, thread: Thread) -> None:
        found = self._found.setdefault(thread.lead, {}) if thread.lead else {}
        for act in thread.acts:
            try:
                await self._do(act, thread, found)
            except Refused as refused:
                self._voices.tally.refuse(refused)
            except NotHeard as unheard:
                self._voices.tally.refuse(unheard)
                return

    async def _do(self, act: Act, thread: Thread, found: Found) -> None:
        path = await self._filled(act.path, thread, found)
        if act.until is not None:
            await self._voices.heard(act.service, path, act.until)
            return
        body = {"occurred_at": wire_time(act.at), **await self._filled_body(act.body, thread, found)}
        key = f"{self._told.prefix}{wire_time(act.at)}"
        answer = await self._voices.say(act.who, act.method, act.service, path, body, key)
        for name, field in (act.learns or {}).items():
            found[name] = answer[field]

    async def _filled_body(self, body: Mapping[str, Any], thread: Thread, found: Found) -> dict[str, Any]:
        filled = dict(body)
        if "account_id" in body:
            filled["account_id"] = await self._filled(body["account_id"], thread, found)
        if "refs" in body:
            filled["refs"] = [{**ref, "id": await self._filled(ref["id"], thread, found)} for ref in body["refs"]]
        return filled

    async def _filled(self, text: str, thread: Thread, found: Found) -> str:
        """`text` with the ids its names stand for; what is not known yet is asked for."""
        for name in re.findall(r"{(\w+)}", text):
            if name not in found:
                found[name] = await self._ask(name, thread)
            text = text.replace(f"{{{name}}}", found[name])
        return text

    async def _ask(self, name: str, thread: Thread) -> str:
        if name == "lead":
            return str((await self._voices.get("marketing", f"/v1/leads/ext:{thread.lead}"))["id"])
        if name == "account":
            return str((await self._voices.get("marketing", f"/v1/accounts/ext:{thread.account}"))["id"])
        query = {"lead_external_id": thread.lead, "cycle": name.removeprefix("opportunity")}
        row = await self._voices.first("field_sales", "/v1/opportunities", **query)
        return str(row["id"])


async def play_history(voices: Voices, seed: int, months: int, progress: Progress) -> dict[str, Any]:
    """Tell it, unless it was told before; answers what was done."""
    anchor = await find_anchor(voices, seed, months)
    about = {"seed": seed, "months": months, "until": anchor.end.isoformat(), "told_before": anchor.whole}
    if anchor.whole:
        progress.say(f"The history of seed {seed} was told before, up to {anchor.end}.")
        return {**about, **voices.tally.as_dict(), "imports": []}
    told = tell(seed, months, anchor.end, await read_codes(voices))
    history = History(voices, told, seed, months, progress)
    await history.play()
    tally = voices.tally
    progress.say(f"{len(told.leads):,} leads, {len(told.customers)} customers: {tally.told:,} acts of people told.")
    for words in tally.words.values():
        progress.say(f"Refused: {words}")
    return {**about, **tally.as_dict(), "imports": history.imports}
