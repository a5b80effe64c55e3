"""Fixtures every test may use: the real engines, and rigs of a service on them."""

pytest_plugins = ["tests.support.engines", "tests.support.rig"]
