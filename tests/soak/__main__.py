"""`python -m tests.soak --minutes 10 --seed 1`: prints what happened and which invariants hold; ends with 1 if any does
not."""

import argparse
import asyncio
import statistics
import sys
import time
from collections import Counter

from tests.soak.people import Ledger
from tests.soak.run import Outcome, living, soak
from tests.soak.truth import broken, shown
from tests.support.system import running_system

INVARIANTS = {
    "I1": "what was told = what was heard",
    "I2": "each act and each event counts once",
    "I3": "every journey as 1, 2, 3 …",
    "I4": "readers stand at the end of the log",
    "I5": "kpi's tables = folding anew",
    "I6": "no outbox holds anything",
    "I7": "nothing is there that was never told",
    "I8": "recovery, memory and open files within bounds",
    "I9": "counts conserved, and as people were answered",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    ledger, begun = Ledger(), time.monotonic()
    with running_system() as system, living(system) as life:

        async def run() -> Outcome:
            outcome, scene = await soak(life, ledger, seed=asked.seed, seconds=asked.minutes * 60)
            outcome.broken = [*ledger.refused, *await broken(scene, ledger), *outcome.bounds()]
            return outcome

        outcome = asyncio.run(run())
    sys.stdout.write(summary(outcome, ledger, time.monotonic() - begun) + "\n")
    return 1 if outcome.broken else 0


def summary(outcome: Outcome, ledger: Ledger, seconds: float) -> str:
    commands = {f"{name} ended with {code}": times for (name, code), times in outcome.commands.items()}
    lines = [
        f"seed {outcome.seed}: {len(outcome.faults)} faults in {seconds / 60:.1f} min (with start and checks)",
        f"acts acknowledged: {_counts({kind: len(acts) for kind, acts in ledger.acts.items()})}",
        f"tries that were not answered: {_counts(ledger.interrupted)}; refused: {len(ledger.refused)}",
        f"commands meanwhile: {_counts(commands)}",
        f"quiet {outcome.quiet_seconds:.1f} s after the last act",
        "fault                          times  ready again after (median, longest)",
    ]
    for name, times in sorted(Counter(outcome.faults).items()):
        found = outcome.recoveries.get(name)
        took = f"{statistics.median(found):6.1f} s {max(found):6.1f} s" if found else "  together with the next"
        lines.append(f"{name:30} {times:5}  {took}")
    lines.append("program               memory MB before → after   open files before → after")
    for name, after in outcome.after.items():
        before = outcome.before.get(name, after)
        memory = f"{before.memory / 1e6:8.0f} → {after.memory / 1e6:.0f}"
        lines.append(f"{name:20} {memory:>20} {before.files:18} → {after.files}")
    for name, meaning in INVARIANTS.items():
        wrong = [each for each in outcome.broken if each.startswith(name)]
        lines.append(f"{name} {'BROKEN' if wrong else 'holds '} {meaning}")
    return "\n".join([*lines, *([shown(outcome.broken)] if outcome.broken else [])])


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in found.items()) or "none"


if __name__ == "__main__":
    sys.exit(main())
