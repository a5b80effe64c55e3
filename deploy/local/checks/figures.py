"""Are kpi's figures whole: fresh, without a missing number, conserved?"""

from collections.abc import AsyncIterator

import asyncpg

from deploy.local.checks.finding import Finding, Silent, System, bad, ok, warning
from deploy.local.client import answer, client, reach
from deploy.local.errors import CommandError

AHEAD_SECONDS = 5
_GAPS = "SELECT count(*) FROM stream_state WHERE gap_since < clock_timestamp() - interval '60 seconds'"
_AHEAD = """
SELECT publisher, extract(epoch FROM max(recorded_at) - clock_timestamp())::float8 AS seconds FROM fact
WHERE recorded_at > clock_timestamp() + make_interval(secs => $1) GROUP BY publisher ORDER BY publisher
"""


async def figures(system: System) -> AsyncIterator[Finding]:
    try:
        async with system.database("kpi") as connection:
            if gaps := await connection.fetchval(_GAPS):
                yield bad("figures", f"{gaps} journeys miss a number", "see NumbersMissing in docs/runbook.md")
            for row in await connection.fetch(_AHEAD, AHEAD_SECONDS):
                told = f"events of {row['publisher']} were recorded {row['seconds']:.0f} s in the future"
                yield warning("figures", told, "its clock was ahead: let it follow a time server (chrony)")
    except (Silent, asyncpg.UndefinedTableError):
        return
    try:
        with client("kpi", timeout=60) as http:
            found = reach("kpi", lambda: answer(http.get("/v1/conservation")))
    except CommandError:
        return  # said of kpi
    if found["late"]:
        told = f"news of {', '.join(found['late'])} may be missing; all is counted up to {found['fresh_to']}"
        yield warning("figures", told, "see FiguresOld in docs/runbook.md")
    for check in found["checks"]:
        if check["broken"]:
            told = f"not {check['en']}: {check['broken']} of {check['looked_at']} are not"
            alert = "ChainDoesNotClose" if check["id"] == "chain" else "ConservationBroken"
            yield bad("figures", f"{told}, as {', '.join(check['examples'][:3])}", f"see {alert} in docs/runbook.md")
    if found["holds"]:
        yield ok("figures", f"conservation holds; all is counted up to {found['fresh_to']}")
