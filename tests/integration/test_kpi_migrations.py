"""What a migration works out of rows that are there is what the folds would have written."""

from pathlib import Path
from runpy import run_path

from sqlalchemy import text

from services.kpi import migrations
from tests.support.kpi import played
from tests.support.rig import MakeRig

MOVEMENTS = "SELECT account_id, basis, at, currency, paid, until FROM movement ORDER BY 1, 2, 3, 4"
STAYS = "SELECT subject, ordinal, stays FROM passage WHERE milestone = 'won' ORDER BY 1, 2"
STATES = "SELECT opportunity_id, at, phase_since FROM opportunity_state ORDER BY 1, 2"
VERSIONS = Path(migrations.__path__[0]) / "versions"


async def test_what_is_paid_and_the_phase_are_worked_out_of_the_rows_there_are(make_rig: MakeRig) -> None:
    kpi = await played(make_rig)
    found = run_path(str(VERSIONS / "0011_what_is_paid_and_the_phase.py"))
    queries = (MOVEMENTS, STATES, STAYS)
    async with kpi.database.transaction() as tx:
        before = [(await tx.session.execute(text(query))).all() for query in queries]
        assert len(before[0]) > 10
        assert len({row.phase_since for row in before[1]}) > 5
        assert sum(len(row.stays) for row in before[2]) > 5
        await tx.session.execute(text("UPDATE movement SET paid = 0, until = NULL"))
        await tx.session.execute(text("UPDATE opportunity_state SET phase_since = NULL"))
        await tx.session.execute(text("UPDATE passage SET stays = NULL"))
        for statement in (found[name] for name in ("PAID", "SINCE", "STAYS")):
            await tx.session.execute(text(statement))
        assert [(await tx.session.execute(text(query))).all() for query in queries] == before
