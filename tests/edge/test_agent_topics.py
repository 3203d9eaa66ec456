"""Topic templates against the matching rules of MQTT 5.0, section 4.7."""

from __future__ import annotations

import pytest

from edge_agent.topics import TopicTemplate


@pytest.mark.parametrize(
    ("template", "topic", "matches"),
    [
        ("aircraft/+/engine/vibration", "aircraft/A/engine/vibration", True),
        ("aircraft/+/engine/vibration", "aircraft/A/engine/1/vibration", False),
        ("aircraft/{aircraft}/engine/{engine}/vibration", "aircraft/A/engine/1/vibration", True),
        ("aircraft/{aircraft}/engine/{engine}/vibration", "aircraft/A/engine/1/vibrations", False),
        ("sport/#", "sport", True),
        ("sport/#", "sport/tennis/player1", True),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+", "/finance", False),
        ("/+", "/finance", True),
        ("+/+", "/finance", True),
        ("a", "a/b", False),
    ],
)
def test_matches(template: str, topic: str, matches: bool) -> None:  # noqa: FBT001 - a column of the table
    """Levels match one by one; + takes one, # the rest and nothing."""
    assert TopicTemplate(template).matches(topic) is matches


def test_filter() -> None:
    """Places become wildcards of one level."""
    assert TopicTemplate("a/{aircraft}/+/{engine}").filter == "a/+/+/+"


def test_identities() -> None:
    """Identities come from places, not from wildcards, and only of topics that match."""
    template = TopicTemplate("a/{aircraft}/+/{engine}/#")
    assert template.identities("a/X/y/7/z/z") == {"aircraft": "X", "engine": "7"}
    assert template.identities("b/X/y/7") == {}


def test_fill() -> None:
    """Places are filled by name; an identity with braces is not a place."""
    assert TopicTemplate("{aircraft}/e/{engine}").fill(aircraft="{engine}", engine="1") == "{engine}/e/1"
