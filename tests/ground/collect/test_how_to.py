"""The page says what the command understands, and what the tests' broker is set to."""

from __future__ import annotations

from tests.conftest import ROOT
from tests.docs.blocks import lines_of
from tests.ground.collect.test_collector import SETTINGS

PAGE = ROOT / "docs" / "how-to" / "collect.md"


def test_the_broker_is_set_as_the_page_says():
    """Else the tests would prove it of another broker."""
    assert set(SETTINGS) <= {line.strip() for line in PAGE.read_text().splitlines()}


def test_the_page_has_commands():
    """They are found."""
    assert len(lines_of(PAGE, "ground")) == 2
