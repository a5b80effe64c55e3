"""The walk printed in the README, as a stranger would paste it."""

import asyncio
import json
import re
import subprocess
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer

from deploy.local.ports import SERVICES
from tests.support.system import System, good, until

README = Path(__file__).parents[2] / "README.md"
PORTS = {8001: "marketing", 8002: "inside_sales", 8003: "field_sales", 8004: "customer_success", 8005: "kpi"}
WAY = (
    "marketing.lead_created.v1",
    "marketing.mql_created.v1",
    "inside_sales.first_contact_made.v1",
    "inside_sales.mql_accepted.v1",
    "inside_sales.sql_accepted.v1",
    "field_sales.opportunity_opened.v1",
    "field_sales.first_visit_reviewed.v1",
    "field_sales.deal_won.v1",
    "customer_success.customer_accepted.v1",
    "customer_success.contract_started.v1",
    "customer_success.subscription_changed.v1",
    "customer_success.contract_renewed.v1",
)


def walk(system: System) -> dict[str, str]:
    """Run the README's block against this installation; what it called its things."""
    block = re.search(r"```bash\n(.*?)```", README.read_text(), re.DOTALL)
    assert block
    script = block[1]
    for port, service in PORTS.items():
        script = script.replace(f"localhost:{port}", f"localhost:{system.port(service)}")
    script = "set -euo pipefail\n" + script + "\necho NAMES $LEAD $LOST $ACCOUNT $(call $M/leads/$LOST | pick cycle)\n"
    done = subprocess.run(
        ["bash", "-c", script], env=system.environment, cwd=README.parent, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    names = done.stdout.strip().splitlines()[-1].split()[1:]
    return dict(zip(("lead", "lost", "account", "cycle"), names, strict=True))


async def published(system: System) -> list[dict[str, Any]]:
    """Everything on the departments' topics so far, read as anybody's plain consumer reads it."""
    topics = [f"themodel.{service.replace('_', '-')}" for service in SERVICES[:4]]
    consumer = AIOKafkaConsumer(
        *topics, bootstrap_servers=f"127.0.0.1:{system.port('kafka')}", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        found: list[dict[str, Any]] = []
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += [json.loads(record.value) for record in records]
        return found
    finally:
        await consumer.stop()


def test_the_walk_takes_one_to_a_renewal_and_one_into_cycle_2(system: System) -> None:
    names = walk(system)
    assert names["cycle"] == "2"
    with system.client("kpi", "viewer") as kpi:

        def journey(lead: str) -> set[str]:
            return {event["type"] for event in good(kpi.get(f"/v1/journeys/{lead}"))["events"]}

        until(lambda: set(WAY) <= journey(names["lead"]), 5)
        until(lambda: "marketing.lead_recycled.v1" in journey(names["lost"]), 5)
        funnel = good(kpi.get("/v1/funnel", params={"channel": "referral", "by": "channel"}))
        page: Any = kpi.get("/")
    steps = {step["milestone"]: step["passes"] for step in funnel["steps"]}
    assert {name: steps[name] for name in ("lead", "mql", "sql", "opportunity", "won", "customer")} == dict.fromkeys(
        ("lead", "mql", "sql", "opportunity", "won", "customer"), 1
    )
    assert page.status_code == 200
    with system.client("kpi", "admin") as kpi:
        metrics = kpi.get("/metrics").text
    assert 'themodel_funnel_goal{stage="field_sales"}' in metrics
    told = [event for event in asyncio.run(published(system)) if event["data"].get("lead_id") == names["lead"]]
    assert set(WAY) <= {event["type"] for event in told}
    assert {event["specversion"] for event in told} == {"1.0"}
    assert len({event["id"] for event in told}) == len(told)
