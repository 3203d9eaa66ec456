"""Thresholds, persistence and hysteresis, written out window by window."""

from __future__ import annotations

import json

import pytest

from edge_agent.decision import Decider
from edge_agent.errors import BundleFormatError
from edge_agent.thresholds import Thresholds


def thresholds(**changes):
    """2 of 3 windows over 10 raise; all 3 under 8 release."""
    fields = {
        "pooled": 10.0, "phases": {"takeoff": 20.0}, "k": 2, "n": 3, "release_ratio": 0.8, "false_alarm_rate": 0.05,
        "confidence": 0.95,
    }  # fmt: skip
    return Thresholds(**{**fields, **changes})


SEQUENCES = [
    ("quiet", [1, 2, 3], ["normal"] * 3),
    ("one peak warns", [1, 11, 1, 1], ["normal", "warning", "normal", "normal"]),
    ("at the threshold is not above", [10, 10, 10], ["normal"] * 3),
    ("two of three raise", [11, 1, 11], ["warning", "normal", "alarm raised"]),
    ("peaks too far apart", [11, 1, 1, 11], ["warning", "normal", "normal", "warning"]),
    ("between release and threshold holds", [11, 11, 9, 9, 9, 9], ["warning", "alarm raised"] + ["alarm"] * 4),
    ("three under release clear", [11, 11, 1, 1, 1], ["warning", "alarm raised", "alarm", "alarm", "normal cleared"]),
    ("raised again", [11, 11, 1, 1, 1, 11, 11], [
        "warning", "alarm raised", "alarm", "alarm", "normal cleared", "warning", "alarm raised",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("scores", "states"), [row[1:] for row in SEQUENCES], ids=[row[0] for row in SEQUENCES])
def test_sequences(scores, states):
    """Each score sequence and the states it must give."""
    decider = Decider(thresholds())
    decisions = [decider.decide(float(score), "cruise") for score in scores]
    assert [f"{decision.state} {decision.event}".strip() for decision in decisions] == states


def test_each_phase_has_its_threshold_and_shares_the_memory():
    """15 is quiet in takeoff and strange in cruise; the memory runs on across the phases."""
    decider = Decider(thresholds())
    states = [decider.decide(15.0, phase).state for phase in ("takeoff", "cruise", "takeoff", "cruise")]
    assert states == ["normal", "warning", "normal", "alarm"]
    assert decider.decide(15.0, "takeoff").threshold == 20.0


def test_reset_forgets_alarm_and_memory():
    """Another flight begins with nothing remembered."""
    decider = Decider(thresholds())
    for _ in range(3):
        decider.decide(11.0, "cruise")
    decider.reset()
    assert decider.decide(11.0, "cruise").state == "warning"


def test_thresholds_round_trip():
    """The canonical JSON reads back to the same thresholds."""
    original = thresholds()
    assert Thresholds.from_document(json.loads(original.to_json())) == original


BAD = [
    ("missing field", lambda d: d.pop("k")),
    ("unknown field", lambda d: d.update(extra=1)),
    ("k over n", lambda d: d.update(k=4)),
    ("zero threshold", lambda d: d.update(pooled=0.0)),
    ("negative phase", lambda d: d.update(phases={"x": -1.0})),
    ("text for number", lambda d: d.update(pooled="10")),
    ("true for number", lambda d: d.update(k=True)),
    ("release over 1", lambda d: d.update(release_ratio=1.5)),
    ("other schema", lambda d: d.update(schema=1)),
]


@pytest.mark.parametrize("spoil", [row[1] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_thresholds_are_refused(spoil):
    """A threshold file that cannot be meant is refused with its label."""
    document = thresholds().to_document()
    spoil(document)
    with pytest.raises(BundleFormatError, match=r"thresholds\.json: expected") as caught:
        Thresholds.from_document(document)
    assert caught.value.reason == "thresholds"
