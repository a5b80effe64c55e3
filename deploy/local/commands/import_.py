"""`themodel import`"""

import csv
import io
import json
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from deploy.local.client import answer, client, reach
from deploy.local.errors import CommandError
from shared.imports.mapping import parse_mapping
from shared.imports.refusals import FileRefused
from shared.imports.report import Counts

OWNERS = {
    "accounts": ("marketing",),
    "leads": ("marketing",),
    "visits": ("marketing",),
    "spend": ("marketing",),
    "prospects": ("inside_sales",),
    "opportunities": ("field_sales",),
    "contracts": ("customer_success",),
    "usage": ("customer_success",),
    "tickets": ("customer_success",),
    "reps": ("field_sales", "inside_sales"),
}
POLL_SECONDS = 0.2
SHOWN = 10  # refused rows on the screen; all of them go to --errors


def import_file(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A CSV file: UTF-8, or as the mapping says.")
    ],
    resource: Annotated[str, typer.Option(help=f"What its rows are: {', '.join(OWNERS)}.")],
    mapping: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="TOML that fits a foreign file to the resource.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what would happen and change nothing.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also when the same files were imported before.")] = False,
    errors: Annotated[Path | None, typer.Option(dir_okay=False, help="Write the refused rows there, as CSV.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Take a CSV file in. Files the mapping joins with are read from beside FILE.

    Ends with 1 when rows were refused. Interrupted, the import goes on in the running system.
    """
    if resource not in OWNERS:
        raise CommandError(f"{resource}: one of {', '.join(OWNERS)}")
    parts = {"file": file, **({"mapping": mapping} if mapping else {}), **_joins(file, mapping)}
    query = {"resource": resource, "dry_run": dry_run, "again": again}
    reports, refused = [], []
    for service in OWNERS[resource]:
        with client(service, timeout=600) as http, _bars(quiet=as_json) as bars:
            job = _followed(service, http, _sent(service, http, parts, query, bars), bars)
            rows = http.get(f"/v1/imports/{job['id']}/errors.csv").text if job["refused"] else ""
        reports.append({"service": service, **job})
        refused.append(rows)
        if not as_json:
            _print(service, job, rows)
    if errors:
        errors.write_text("\ufeff" + _together(refused), encoding="utf-8", newline="")
    if as_json:
        typer.echo(json.dumps(reports, ensure_ascii=False))
    if any(report["refused"] or report["status"] == "failed" for report in reports):
        raise typer.Exit(1)


def _joins(file: Path, mapping: Path | None) -> dict[str, Path]:
    """The second files of the mapping, beside the first."""
    if mapping is None:
        return {}
    try:
        names = parse_mapping(mapping.read_bytes()).files
    except FileRefused as refused:
        lines = [f"  {problem.explanation}" for problem in refused.refusal.problems]
        raise CommandError("\n".join([f"{mapping} cannot be used:", *lines])) from refused
    found = {name: file.parent / name for name in names}
    for name, path in found.items():
        if not path.is_file():
            raise CommandError(f"{mapping} joins with {name}, which is not beside {file}.")
    return found


def _bars(*, quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet)


def _sent(service: str, http: httpx.Client, parts: Mapping[str, Path], query: Mapping[str, Any], bars: Progress) -> Any:
    """The job the upload began, or the one the same files began before."""
    task = bars.add_task(f"{service}: sending", total=sum(path.stat().st_size for path in parts.values()))
    with ExitStack() as stack:
        opened = {name: stack.enter_context(path.open("rb")) for name, path in parts.items()}
        files = {name: (parts[name].name, bars.wrap_file(file, task_id=task)) for name, file in opened.items()}
        response = reach(service, lambda: http.post("/v1/imports", params=dict(query), files=files))
    bars.remove_task(task)
    if response.status_code == 422:
        problem = response.json()
        lines = [f"  {error['field']}: {error['rule']}" for error in problem.get("errors", [])[1:]]
        raise CommandError("\n".join([f"{parts['file']} cannot be imported: {problem['detail']}", *lines]))
    return answer(response)


def _followed(service: str, http: httpx.Client, job: Any, bars: Progress) -> Any:
    """The job when it is over."""
    task, path = bars.add_task(f"{service}: importing", total=job["rows"]), f"/v1/imports/{job['id']}"
    try:
        while job["status"] not in {"finished", "failed"}:
            time.sleep(POLL_SECONDS)
            job = answer(reach(service, lambda: http.get(path)))
            bars.update(task, completed=job["read"])
    except KeyboardInterrupt:
        raise CommandError(f"The import goes on without this window: GET {path} tells how far.") from None
    bars.remove_task(task)
    return job


def _print(service: str, job: Any, refused: str) -> None:
    console = Console(soft_wrap=True, highlight=False)
    title = f"{job['resource']} → {service}{' (dry run: nothing was changed)' if job['dry_run'] else ''}"
    table = Table(title=title, title_justify="left", show_header=False)
    for name in Counts().as_dict():
        table.add_row(name, f"{job[name]:,}")
    console.print(table)
    if job["unused_columns"]:
        console.print(f"Columns nothing was taken from: {', '.join(job['unused_columns'])}", markup=False)
    if job["status"] == "failed":
        console.print(f"The import failed: {job['problem']['explanation']}", markup=False)
    rows = list(csv.DictReader(io.StringIO(refused.removeprefix("\ufeff"))))
    for row in rows[:SHOWN]:
        place = " ".join(filter(None, (row["column"], row["value"])))
        console.print(f"line {row['line']}: {place or 'the row'}: {row['explanation']} ({row['rule']})", markup=False)
    if len(rows) > SHOWN:
        console.print(f"… and {len(rows) - SHOWN:,} more; --errors FILE.csv writes all of them.")


def _together(pages: list[str]) -> str:
    """One page of several: each begins with a byte order mark and the header."""
    told = [page.removeprefix("\ufeff") for page in pages if page]
    return "".join([told[0], *(page.partition("\r\n")[2] for page in told[1:])]) if told else ""
