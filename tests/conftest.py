"""Fixtures every test may use: the real engines, rigs of a service on them, the whole system."""

pytest_plugins = ["tests.support.engines", "tests.support.rig", "tests.support.system"]
