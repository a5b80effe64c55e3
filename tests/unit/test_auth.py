"""Tokens: whose they are, and how long they hold."""

import time
from datetime import timedelta
from pathlib import Path

import pytest

from shared.auth import Keys, Role
from shared.errors import Unauthorized


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys.load_or_create(tmp_path)


def test_a_token_says_who_and_in_which_roles(keys: Keys) -> None:
    user = keys.verify(keys.issue("mina", ["product", "viewer"]))
    assert (user.subject, user.roles) == ("mina", frozenset({Role.PRODUCT, Role.VIEWER}))


def test_a_token_that_held_before_expires_all_the_same(keys: Keys) -> None:
    token = keys.issue("mina", ["viewer"], timedelta(seconds=2))
    assert keys.verify(token) == keys.verify(token)
    time.sleep(2.1)
    with pytest.raises(Unauthorized):
        keys.verify(token)


def test_another_signature_is_refused_before_and_after_the_right_one(keys: Keys, tmp_path: Path) -> None:
    foreign = Keys.load_or_create(tmp_path / "other")
    for token in (foreign.issue("mina", ["admin"]), foreign.issue("mina", ["admin"]) + "x", "", "a.b.c"):
        for _ in range(2):
            with pytest.raises(Unauthorized):
                keys.verify(token)
