"""Times and names as the console's pages say them."""

from __future__ import annotations

import hashlib
import json
import time
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlencode

from edge_agent.frame import NS_PER_S

_STEPS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))
_LONGEST = 40
_NEW_S = 5
_ROW_DIGITS = 12
_LAST_NS = 253_402_300_799 * NS_PER_S
"""The end of the year 9999, which is as far as dates go."""


def moment(t_ns: int) -> str:
    """A time in UTC, to the second."""
    if not 0 < t_ns <= _LAST_NS:
        return "unknown"
    return datetime.fromtimestamp(t_ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S")


def ago(t_ns: int, *, now_ns: int = 0) -> str:
    """How long ago a time was, in its largest unit."""
    if not 0 < t_ns <= _LAST_NS:
        return "never"
    age_s = ((now_ns or time.time_ns()) - t_ns) // NS_PER_S
    if age_s < -_NEW_S:
        return "in the future"
    if age_s < _NEW_S:
        return "now"
    for step_s, unit in _STEPS:
        if age_s >= step_s:
            return f"{age_s // step_s} {unit} ago"
    return f"{age_s} s ago"


def shortened(text: str, longest: int = _LONGEST) -> str:
    """A name cut to what a table has room for; pages give the whole one as a title."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def bundle(name: str, longest: int = 28) -> str:
    """The name of a bundle cut to what a table has room for; its version stays."""
    detector, slash, version = name.rpartition("/")
    room = longest - len(version) - 2
    return name if len(name) <= longest or not slash or room < 1 else f"{detector[:room]}…/{version}"


def badge(word: str) -> str:
    """The colour in which a state or a verdict is written."""
    return _BADGES.get(word, "plain")


def engine_url(aircraft: str, engine: str) -> str:
    """Where an engine's page is; in a query, since a name may hold whatever it likes."""
    return f"/engine?{urlencode({'aircraft': aircraft, 'engine': engine})}"


def alerts_url(aircraft: str, engine: str) -> str:
    """Where the alerts of an engine are."""
    return f"/alerts?{urlencode({'aircraft': aircraft, 'engine': engine})}"


def flight_url(aircraft: str, engine: str, flight: str) -> str:
    """Where the page of a flight is."""
    return f"/flight?{urlencode({'aircraft': aircraft, 'engine': engine, 'flight': flight})}"


def bundle_url(detector: str, version: str) -> str:
    """Where the page of a bundle is."""
    return f"/bundles/{quote(detector, safe='')}/{quote(version, safe='')}"


def row_id(*names: str) -> str:
    """An id for the row of what is so named: the same wherever the row comes to stand."""
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:_ROW_DIGITS]


_BADGES: Final = {
    "normal": "pass",
    "warning": "open",
    "alarm": "fail",
    "confirmed": "fail",
    "false_alarm": "pass",
    "needs_review": "open",
    "PASS": "pass",
    "FAIL": "fail",
    "INSUFFICIENT": "open",
    "active": "pass",
    "shadow": "open",
    "validation": "open",
    "ready": "pass",
    "worse": "fail",
    "go_on": "open",
}
