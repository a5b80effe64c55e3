"""`themodel doctor` on the running system."""

import json
import os
import signal
from typing import Any

from tests.support.system import System, until


def examined(system: System) -> tuple[int, list[Any]]:
    done = system.themodel("doctor", "--json", check=False)
    return done.returncode, json.loads(done.stdout)


def well(system: System) -> list[Any]:
    code, found = examined(system)
    return [] if code else found


def test_a_running_system_is_well_and_what_stands_still_is_named(system: System) -> None:
    found = until(lambda: well(system), 60)
    assert {"kafka", "topics", "figures", "marketing → kpi", "schema of kpi"} <= {each["area"] for each in found}
    frozen = system.programs()["field_sales"]
    os.kill(frozen, signal.SIGSTOP)
    try:
        code, found = examined(system)
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert code == 1
    silent = next(each for each in found if each["area"] == "field_sales")
    assert (silent["level"], silent["what"][:15]) == ("bad", "does not answer")
    assert silent["advice"]
    assert "were looked at" in until(lambda: system.themodel("doctor", check=False), 30).stdout
