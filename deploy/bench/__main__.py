"""`make bench`: everything running, one measurement after the other, results as JSON lines and a table.

`make bench ARGS="figures"` makes only those named: handoff, imports, figures, resting.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.bench import figures, handoff, imports, resting
from deploy.bench.row import Row
from deploy.local.launch import launched, own_environment

WORKING = {"handoff": handoff.measure, "imports": imports.measure}
ALL = (*WORKING, "resting", "figures")


def main(asked: list[str]) -> None:
    console, rows, wanted = Console(stderr=True), list[Row](), asked or list(ALL)
    if unknown := set(wanted) - set(ALL):
        raise SystemExit(f"There is no measurement {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    if wanted != ["figures"]:
        with _installation(console) as environment:
            with launched(environment):
                for name in WORKING:
                    rows += WORKING[name](environment, console) if name in wanted else []
            rows += resting.measure(environment, console) if "resting" in wanted else []
    if "figures" in wanted:
        with _installation(console) as environment, launched(environment):
            rows += figures.measure(environment, console)
    table = Table("measurement", "value", "beside", "value", "ratio")
    for row in rows:
        value, peer = (f"{number:,.1f} {row.unit}" for number in (row.value, row.peer_value))
        table.add_row(row.what, value, row.peer, peer, f"{row.ratio:.3g}")
        sys.stdout.write(json.dumps(row.as_dict()) + "\n")
    console.print(table)


@contextmanager
def _installation(console: Console) -> Iterator[dict[str, str]]:
    """Kafka as a replicated one does, which does not wait for each disk. Said, since one node alone is less safe so."""
    home = Path(tempfile.mkdtemp(prefix="themodel-bench-"))
    home.chmod(0o755)
    console.print(f"An installation in {home}; Kafka does not flush each message to the disk here …")
    try:
        yield {**own_environment(home), "THEMODEL_KAFKA_FLUSH_MESSAGES": "1000000"}
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
