"""Fixtures every test may use: the real engines, rigs of a service on them, the whole system; and who runs where."""

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # xdist has no types

pytest_plugins = ["tests.support.engines", "tests.support.messaging", "tests.support.rig", "tests.support.system"]

ALONE = ("tests/e2e/test_told_data.py", "tests/e2e/test_carried_history.py")  # have an installation of their own
LONGEST = (*ALONE, "tests/e2e", "tests/faults")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those of the whole product come first, since they are the longest. Those with a browser come last: once it is
    there, its driver's event loop runs until the session ends, and no other can.
    """
    items.sort(key=lambda item: (item.get_closest_marker("browser") is not None, _place(item.nodeid)))


def _place(nodeid: str) -> int:
    return next((place for place, name in enumerate(LONGEST) if nodeid.startswith(name)), len(LONGEST))


class Together(LoadScopeScheduling):  # type: ignore[misc]  # likewise
    """Side by side (`-n 2`), a file's tests stay in one process, and so do all that share the one installation, or the
    browser. (Groups by mark, `--dist loadgroup`, have no effect with pytest 9.2 and xdist 3.8.)"""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        shared = ("tests/e2e", "tests/browser") if file not in ALONE else ()
        return next((folder for folder in shared if file.startswith(folder)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    config.option.loadscopereorder = False  # our order is by length already
    return Together(config, log)
