"""`themodel dead-letters`: what a service could not take in, and what is done about it."""

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from deploy.local.client import answer, client, reach
from deploy.local.commands.services import known_service
from deploy.local.errors import CommandError
from deploy.local.ports import SERVICES
from deploy.local.terminal import table_console

dead_letters = typer.Typer(no_args_is_help=True, help="What a service could not take in, and what is done about it.")

_PATH = "/v1/dead-letters"


Service = Annotated[str, typer.Argument(callback=known_service, help=f"One of {', '.join(SERVICES)}.")]
Letter = Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]
Reason = Annotated[str, typer.Option("--reason", help="Why it is done without; kept with it.")]


@dead_letters.command("list")
def list_(
    service: Annotated[str, typer.Option("--service", callback=known_service, help="Only of this one.")] = "",
    kind: Annotated[str, typer.Option("--kind", help="parked, unreadable, voided or discarded.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show everything that was not taken in, the oldest first; without --kind, what is not yet discarded."""
    asked = {"kind": kind} if kind else {}
    found = [
        {"service": name, **letter} for name in ([service] if service else SERVICES) for letter in _all(name, asked)
    ]
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        _print(found)


@dead_letters.command()
def show(service: Service, letter: Letter) -> None:
    """Show one with its original bytes, as JSON."""
    typer.echo(json.dumps(_get(service, letter), ensure_ascii=False, indent=2))


@dead_letters.command()
def redrive(
    service: Service,
    letter: Annotated[str, typer.Argument(metavar="[ID]", help="Without it: all of the service.")] = "",
    as_json: AsJson = False,
) -> None:
    """Try one again, and what waits behind it in its journey; or everything that waits."""
    if letter:
        _tell([_act(service, letter, "redrive")], as_json)
        return
    heads: dict[Any, Any] = {}
    for each in _all(service, {}):
        if each["kind"] in ("parked", "unreadable"):
            heads.setdefault((each["source"], each["journey"]) if each["journey"] else each["id"], each)
    _tell([_tried(service, each) for each in heads.values()], as_json)


@dead_letters.command()
def discard(service: Service, letter: Letter, reason: Reason, as_json: AsJson = False) -> None:
    """Do without an event: its number is passed, and what waits behind it goes on."""
    _tell([_act(service, letter, "discard", reason=reason)], as_json)


@dead_letters.command("give-up-missing")
def give_up_missing(service: Service, letter: Letter, reason: Reason, as_json: AsJson = False) -> None:
    """Wait no longer for the numbers before an event that never came: it is applied without them."""
    _tell([_act(service, letter, "give-up-missing", reason=reason)], as_json)


def _tried(service: str, letter: Any) -> Any:
    try:
        return _act(service, letter["id"], "redrive")
    except CommandError as error:  # what still cannot be read holds up nobody else
        return {"applied": 0, "waiting": 1, "error": str(error)}


def _act(service: str, letter: str, name: str, **body: str) -> Any:
    with client(service) as http:
        path = f"{_PATH}/{letter}/{name}"
        return reach(service, lambda: answer(http.post(path, json=body or None)))


def _get(service: str, letter: str) -> Any:
    with client(service) as http:
        return reach(service, lambda: answer(http.get(f"{_PATH}/{letter}")))


def _all(service: str, asked: dict[str, str]) -> Iterator[Any]:
    with client(service) as http:
        cursor: dict[str, str] = {}
        while True:
            params = {"limit": "500", **asked, **cursor}
            page = reach(service, lambda params=params: answer(http.get(_PATH, params=params)))
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            cursor = {"cursor": page["next_cursor"]}


def _tell(results: Sequence[Any], as_json: bool) -> None:
    told = {
        "applied": sum(each["applied"] for each in results),
        "waiting": sum(each["waiting"] for each in results),
        "errors": sorted({each["error"] for each in results if each["error"]}),
    }
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    typer.echo(f"{told['applied']} applied, {told['waiting']} still waiting")
    for error in told["errors"]:
        typer.echo(f"  {error}")


def _print(found: Sequence[Any]) -> None:
    console = table_console()
    if not found:
        console.print("Nothing waits, and nothing is dead.")
        return
    table = Table("service", "id", "kind", "since", "event", "concerns", "why", box=None, pad_edge=False)
    for each in found:
        about = each["concerns"]
        concerns = f"{about['kind']} {about['id']} ({about['owner'] or '–'})" if about else each["journey"] or ""
        event = f"{each['type'] or each['topic']} {each['sequence'] or ''}"
        why = each["discarded_because"] or each["error"] or each["reason"] or ""
        since = each["created_at"][:16].replace("T", " ")
        row = (each["service"], each["id"], each["kind"], since, event, concerns, why)
        table.add_row(*map(escape, row))
    console.print(table)
