"""The operating domain: what is inside, what is not, and which files are refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edge_agent.domain import INSIDE, OUTSIDE_DOMAIN, OperatingDomain
from edge_agent.errors import BundleFormatError
from edge_agent.thresholds import Thresholds
from edge_agent.transients import Steadiness

DOMAIN = OperatingDomain(conditions={"n1_hz": (40.0, 80.0), "n2_hz": (100.0, 200.0)}, phases=("climb", "cruise"))
THRESHOLDS = Thresholds(
    pooled=2.0, phases={}, k=2, n=3, release_ratio=0.9, false_alarm_rate=0.05, confidence=0.95, domain=DOMAIN
)

WINDOWS = [
    ("inside", "cruise", (60.0, 150.0), INSIDE),
    ("on the lower ends", "climb", (40.0, 100.0), INSIDE),
    ("on the upper ends", "climb", (80.0, 200.0), INSIDE),
    ("first condition too low", "cruise", (39.9, 150.0), OUTSIDE_DOMAIN),
    ("second condition too high", "cruise", (60.0, 200.1), OUTSIDE_DOMAIN),
    ("a phase never seen", "taxi", (60.0, 150.0), OUTSIDE_DOMAIN),
    ("a speed that is no number", "cruise", (np.nan, 150.0), OUTSIDE_DOMAIN),
]


@pytest.mark.parametrize(("phase", "speeds", "reason"), [row[1:] for row in WINDOWS], ids=[row[0] for row in WINDOWS])
def test_windows(phase, speeds, reason):
    """Ends belong to it; the conditions are the last features."""
    assert DOMAIN.reason_of(phase, np.array([1e9, *speeds], dtype=np.float32)) == reason


def test_an_empty_domain_is_everywhere():
    """Without conditions and phases nothing is outside."""
    assert OperatingDomain().reason_of("any", np.array([np.nan], dtype=np.float32)) == INSIDE


def test_it_travels_in_the_thresholds():
    """The canonical JSON reads back to the same domain, the order of its conditions included."""
    again = Thresholds.from_document(json.loads(THRESHOLDS.to_json()))
    assert again == THRESHOLDS
    assert list(again.domain.conditions) == ["n1_hz", "n2_hz"]
    assert replace(again, domain=OperatingDomain()) != THRESHOLDS


STEADY = replace(DOMAIN, steadiness=Steadiness(hop_ns=10**9, limits={"n1_hz": 1.0, "n2_hz": 2.5}))


def test_steadiness_travels_where_there_is_any():
    """It reads back; a domain without has the very bytes of before it was thought of."""
    thresholds = replace(THRESHOLDS, domain=STEADY)
    assert Thresholds.from_document(json.loads(thresholds.to_json())) == thresholds
    assert b"steadiness" not in THRESHOLDS.to_json()


BAD_STEADINESS = [
    ("no object", []),
    ("missing field", {"limits": []}),
    ("unknown field", {"hop_ns": 1, "limits": [], "x": 1}),
    ("hop as text", {"hop_ns": "1", "limits": [["n1_hz", 1.0], ["n2_hz", 1.0]]}),
    ("no hop", {"hop_ns": 0, "limits": [["n1_hz", 1.0], ["n2_hz", 1.0]]}),
    ("hop back", {"hop_ns": -1, "limits": []}),
    ("limit below nothing", {"hop_ns": 1, "limits": [["n1_hz", -1.0], ["n2_hz", 1.0]]}),
    ("true for a limit", {"hop_ns": 1, "limits": [["n1_hz", True], ["n2_hz", 1.0]]}),
    ("one condition twice", {"hop_ns": 1, "limits": [["n1_hz", 1.0], ["n1_hz", 1.0]]}),
    ("a condition left out", {"hop_ns": 1, "limits": [["n1_hz", 1.0]]}),
    ("another order", {"hop_ns": 1, "limits": [["n2_hz", 1.0], ["n1_hz", 1.0]]}),
]


@pytest.mark.parametrize("steadiness", [row[1] for row in BAD_STEADINESS], ids=[row[0] for row in BAD_STEADINESS])
def test_bad_steadiness_is_refused(steadiness):
    """As the rest of the domain is."""
    document = json.loads(THRESHOLDS.to_json())
    document["domain"]["steadiness"] = steadiness
    with pytest.raises(BundleFormatError, match=r"thresholds\.json: domain: ") as caught:
        Thresholds.from_document(document)
    assert caught.value.reason == "thresholds"


BAD = [
    ("no object", lambda d: d.update(domain=[])),
    ("missing", lambda d: d.pop("domain")),
    ("missing field", lambda d: d["domain"].pop("phases")),
    ("unknown field", lambda d: d["domain"].update(units=[])),
    ("phases of numbers", lambda d: d["domain"].update(phases=[1])),
    ("conditions as an object", lambda d: d["domain"].update(conditions={})),
    ("no upper end", lambda d: d["domain"].update(conditions=[["n1_hz", 1.0]])),
    ("text for an end", lambda d: d["domain"].update(conditions=[["n1_hz", "1", 2.0]])),
    ("true for an end", lambda d: d["domain"].update(conditions=[["n1_hz", True, 2.0]])),
    ("ends the wrong way round", lambda d: d["domain"].update(conditions=[["n1_hz", 2.0, 1.0]])),
    ("one condition twice", lambda d: d["domain"].update(conditions=[["n1_hz", 1.0, 2.0]] * 2)),
]


@pytest.mark.parametrize("spoil", [row[1] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_domains_are_refused(spoil):
    """A domain that cannot be meant is refused with the label of its file."""
    document = json.loads(THRESHOLDS.to_json())
    spoil(document)
    with pytest.raises(BundleFormatError, match=r"thresholds\.json: ") as caught:
        Thresholds.from_document(document)
    assert caught.value.reason == "thresholds"
