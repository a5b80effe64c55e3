"""Fixtures every test may use: the real engines, rigs of a service on them, the whole system; and who runs where."""

import gc
from collections.abc import Generator
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # xdist has no types

from tests.support.system import System

pytest_plugins = ["tests.support.engines", "tests.support.messaging", "tests.support.rig"]

# The same cases each time, so that a change is judged by itself. To look for new ones:
# `make test ARGS=--hypothesis-profile=wild`.
hypothesis.settings.register_profile("steady", derandomize=True)
hypothesis.settings.register_profile("wild", print_blob=True)
hypothesis.settings.load_profile("steady")

ALONE = ("tests/e2e/test_told_data.py", "tests/e2e/test_carried_history.py")  # have an installation of their own
BROWSER = "tests/browser"  # the last of its process; what comes after this file is then for the other one
BEFORE_BROWSER = "tests/integration/test_local_up.py"
REPLAYS = ("tests/e2e/test_replay.py", "tests/e2e/test_while_a_replay_dies.py")  # before a company has played: shorter
LONGEST = (*ALONE, *REPLAYS, "tests/e2e", "tests/faults")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those of the whole product come first, since they are the longest. Those with a browser come last: once it is
    there, its driver's event loop runs until the session ends, and no other can.
    """
    items.sort(key=lambda item: (item.get_closest_marker("browser") is not None, _place(item.nodeid)))


def pytest_collection_finish() -> None:
    """What is there by now stays: a tenth of all the time would go into walking it again and again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure in a running installation is told with how that does: afterwards it is gone."""
    report = yield
    if call.when == "call" and report.failed:
        running = (found for found in item.funcargs.values() if isinstance(found, System))
        report.sections.extend(("the installation", system.account()) for system in running)
    return report


def _place(nodeid: str) -> int:
    return next((place for place, name in enumerate(LONGEST) if nodeid.startswith(name)), len(LONGEST))


class Together(LoadScopeScheduling):  # type: ignore[misc]  # likewise
    """Side by side (`-n 2`), a file's tests stay in one process, and so do all that share the one installation, or the
    browser. (Groups by mark, `--dist loadgroup`, have no effect with pytest 9.2 and xdist 3.8.)"""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        shared = ("tests/e2e", BROWSER) if file not in ALONE else ()
        return next((folder for folder in shared if file.startswith(folder)), file)

    def _assign_work_unit(self, node: Any) -> None:
        if BROWSER in self.workqueue and next(iter(self.workqueue)) > BEFORE_BROWSER and len(self.nodes) > 1:
            self.workqueue.move_to_end(BROWSER, last=False)
        super()._assign_work_unit(node)

    def _reschedule(self, node: Any) -> None:
        if BROWSER not in self.assigned_work.get(node, ()):
            super()._reschedule(node)
        elif len(self.nodes) > 1 and not node.shutting_down:
            node.shutdown()  # once it is through with what it has


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    config.option.loadscopereorder = False  # our order is by length already
    return Together(config, log)
