"""Topic templates: MQTT topics with places for identities, such as ``aircraft/{aircraft}/engine/{engine}/result``."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from edge_agent.errors import ConfigError

ANY_LEVEL = "+"
ANY_REST = "#"

_TOPIC_BYTES = 65_535
"""Longest topic that MQTT can carry."""
_PLACE = re.compile(r"\{([a-z]+)\}")
_TOPICS_KEPT = 1_024
"""Topics whose identities are remembered: a source names the same one in every frame."""


@dataclass(frozen=True, slots=True)
class TopicTemplate:
    """A topic of levels between slashes; a level is a literal, a place ``{name}``, or a wildcard of MQTT.

    Attributes:
        text: The template as written.
    """

    text: str

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels, in order."""
        return tuple(self.text.split("/"))

    @property
    def filter(self) -> str:
        """The topic filter to subscribe to: each place becomes a wildcard of one level."""
        return "/".join(ANY_LEVEL if _PLACE.fullmatch(level) else level for level in self.levels)

    def fill(self, **identities: str) -> str:
        """The topic with ``identities`` in its places."""
        return _PLACE.sub(lambda place: identities[place.group(1)], self.text)

    def matches(self, topic: str) -> bool:
        """Whether ``topic`` is one of this template's (MQTT 5.0, section 4.7)."""
        levels, own = topic.split("/"), self.filter.split("/")
        if own[-1] == ANY_REST:
            own, levels = own[:-1], levels[: len(own) - 1]
        return len(own) == len(levels) and all(
            mine in {ANY_LEVEL, level} for mine, level in zip(own, levels, strict=True)
        )

    def identities(self, topic: str) -> dict[str, str]:
        """What ``topic`` says about identities; empty when it is not of this template or names none."""
        return dict(_identities(self, topic))


@lru_cache(maxsize=_TOPICS_KEPT)
def _identities(template: TopicTemplate, topic: str) -> tuple[tuple[str, str], ...]:
    if not template.matches(topic):
        return ()
    places = ((_PLACE.fullmatch(level), value) for level, value in zip(template.levels, topic.split("/"), strict=False))
    return tuple((place.group(1), value) for place, value in places if place)


def check_template(text: str, *, where: str, places: Collection[str], wildcards: bool) -> TopicTemplate:
    """Check a template of a config.

    Args:
        text: The template.
        where: The key named in errors.
        places: Names that may stand in braces; all of them must where ``wildcards`` is false.
        wildcards: Whether ``+`` and ``#`` are allowed, as in the topics one subscribes to.

    Raises:
        ConfigError: Not a topic, an unknown or missing place, or a wildcard that may not be there.
    """
    template = TopicTemplate(text)
    if not 0 < len(text.encode()) <= _TOPIC_BYTES or not text.isprintable():
        raise ConfigError(f"{where}: expected a topic of printable characters, got {text!r:.60}; correct it")
    for index, level in enumerate(template.levels):
        _check_level(level, where, places, last=index == len(template.levels) - 1)
    named = set(_PLACE.findall(text))
    if not wildcards and (named != set(places) or {ANY_LEVEL, ANY_REST} & set(template.levels)):
        wanted = ", ".join(f"{{{name}}}" for name in sorted(places))
        raise ConfigError(f"{where}: expected {wanted} and no wildcard, got {text!r}; name each of them once")
    return template


def _check_level(level: str, where: str, places: Collection[str], *, last: bool) -> None:
    place = _PLACE.fullmatch(level)
    known = bool(place) and place.group(1) in places if place else not set(level) & set("{}")
    wild = ANY_LEVEL in level or ANY_REST in level
    if not known or (wild and level != ANY_LEVEL and not (level == ANY_REST and last)):
        allowed = ", ".join(f"{{{name}}}" for name in sorted(places))
        raise ConfigError(
            f"{where}: expected levels of plain text, {allowed}, + or a final #, got the level {level!r}; correct it"
        )
