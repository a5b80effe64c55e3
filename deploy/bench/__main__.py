"""`make bench`: everything running, one measurement after the other, results as JSON lines and a table."""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.bench import handoff, imports, resting
from deploy.local.launch import launched, own_environment


def main() -> None:
    home = Path(tempfile.mkdtemp(prefix="themodel-bench-"))
    home.chmod(0o755)
    # As a replicated Kafka does, which does not wait for each disk. Said below, since one node alone is less safe so.
    environment = {**own_environment(home), "THEMODEL_KAFKA_FLUSH_MESSAGES": "1000000"}
    console = Console(stderr=True)
    console.print(f"Starting an installation in {home}; Kafka does not flush each message to the disk here …")
    try:
        with launched(environment):
            rows = [*handoff.measure(environment, console), *imports.measure(environment, console)]
        rows += resting.measure(environment, console)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    table = Table("measurement", "value", "beside", "value", "ratio")
    for row in rows:
        value, peer = (f"{number:,.1f} {row.unit}" for number in (row.value, row.peer_value))
        table.add_row(row.what, value, row.peer, peer, f"{row.ratio:.3g}")
        sys.stdout.write(json.dumps(row.as_dict()) + "\n")
    console.print(table)


if __name__ == "__main__":
    main()
