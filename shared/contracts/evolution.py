"""What may change in a schema without a new version, and the golden files that hold it still.

Allowed: a new optional field. Everything else breaks a reader (a field gone, another type, a smaller list of values)
or a writer (a new required field) and needs `…v<N+1>`.
"""

from pathlib import Path
from typing import Any

import orjson

from shared.contracts import EVENTS
from shared.contracts.asyncapi import schema_of

GOLDEN = Path(__file__).parent / "schemas"


def golden_file(kind: str) -> Path:
    return GOLDEN / f"{kind}.json"


def breaks(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Every way in which `new` is not a compatible successor of `old`; empty when it is."""
    return _object(old, new, old.get("$defs", {}), new.get("$defs", {}), "")


def _object(old: dict[str, Any], new: dict[str, Any], a: dict[str, Any], b: dict[str, Any], at: str) -> list[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    found = [f"{at}{name}: removed" for name in before if name not in after]
    found += [f"{at}{name}: newly required" for name in new.get("required", []) if name not in old.get("required", [])]
    found += [
        f"{at}{name}: no longer always there" for name in old.get("required", []) if name not in new.get("required", [])
    ]
    for name in before.keys() & after.keys():
        found += _value(before[name], after[name], a, b, f"{at}{name}")
    return found


def _value(old: Any, new: Any, a: dict[str, Any], b: dict[str, Any], at: str) -> list[str]:
    old, new = _resolved(old, a), _resolved(new, b)
    if "anyOf" in old or "anyOf" in new:
        return _variants(old, new, a, b, at)
    found = [f"{at}: {key} changed" for key in ("type", "format", "const") if old.get(key) != new.get(key)]
    if set(old.get("enum", [])) != set(new.get("enum", [])):
        found.append(f"{at}: its list of values changed")
    if "items" in old and "items" in new:
        found += _value(old["items"], new["items"], a, b, f"{at}[]")
    if "properties" in old:
        found += _object(old, new, a, b, f"{at}.")
    return found


def _variants(old: Any, new: Any, a: dict[str, Any], b: dict[str, Any], at: str) -> list[str]:
    before = [_resolved(v, a) for v in old.get("anyOf", [old])]
    after = [_resolved(v, b) for v in new.get("anyOf", [new])]
    if [v.get("type") for v in before] != [v.get("type") for v in after]:
        return [f"{at}: type changed"]
    return [problem for x, y in zip(before, after, strict=True) for problem in _value(x, y, a, b, at)]


def _resolved(schema: Any, definitions: dict[str, Any]) -> Any:
    reference = schema.get("$ref")
    return definitions[reference.removeprefix("#/$defs/")] if reference else schema


def write_golden() -> list[str]:
    """Write the schema of every type; returns what would break a reader, and then writes nothing."""
    schemas = {kind: schema_of(event) for kind, event in EVENTS.items()}
    problems = [f"{kind}: golden file without a class" for kind in _told() if kind not in schemas]
    for kind, schema in schemas.items():
        if golden_file(kind).exists():
            problems += [f"{kind} {p}" for p in breaks(orjson.loads(golden_file(kind).read_bytes()), schema)]
    if problems:
        return problems
    GOLDEN.mkdir(exist_ok=True)
    for kind, schema in schemas.items():
        text = orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
        golden_file(kind).write_bytes(text + b"\n")
    return []


def _told() -> list[str]:
    return [file.name.removesuffix(".json") for file in sorted(GOLDEN.glob("*.json"))]


def main() -> None:
    if problems := write_golden():
        raise SystemExit("These changes need a new version:\n" + "\n".join(problems))


if __name__ == "__main__":
    main()
