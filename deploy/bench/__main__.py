"""`make bench`: everything running, one measurement after the other, results as JSON lines and a table."""

import json
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.bench import handoff
from deploy.local.launch import launched, own_environment


def main() -> None:
    home = Path(tempfile.mkdtemp(prefix="themodel-bench-"))
    home.chmod(0o755)
    environment = own_environment(home)
    console = Console(stderr=True)
    console.print(f"Starting an installation in {home} …")
    with launched(environment):
        rows = handoff.measure(environment, console)
    table = Table("measurement", "p50 ms", "p99 ms", "events", "× direct send (p50)")
    for row in rows:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.1f}"
        table.add_row(row["what"], f"{row['p50']:.1f}", f"{row['p99']:.1f}", str(row["events"]), ratio)
        sys.stdout.write(json.dumps(row) + "\n")
    console.print(table)


if __name__ == "__main__":
    main()
