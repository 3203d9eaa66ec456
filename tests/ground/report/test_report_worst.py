"""The worst false alarms and misses: which, in what order, and how many there were."""

from __future__ import annotations

import numpy as np
import pytest

from ground.report.answers import Flight
from ground.report.worst import mistakes_sentence, worst_mistakes


def flight(name, ratio, *, faulty_from=99, fault="", alarm=()):
    """A flight with these ratios of score over threshold, NaN where not assessed; ``alarm`` lists windows in alarm."""
    ratio = np.array(ratio, dtype=np.float64)
    n = len(ratio)
    known = np.isfinite(ratio)
    state = np.where(known, "normal", "not_assessed").astype(object)
    state[list(alarm)] = "alarm"
    start_ns = np.arange(n, dtype=np.int64) * 10**9
    return Flight(
        name=name, source=(name,), fault_type=fault, start_ns=start_ns, end_ns=start_ns + 10**9,
        phase=np.full(n, "cruise", dtype=object), label=(np.arange(n) >= faulty_from).astype(np.int8), state=state,
        reason=np.full(n, "", dtype=object), raised=np.zeros(n, dtype=bool), score=np.nan_to_num(ratio),
        threshold=known.astype(np.float64), contributions=np.full(n, "", dtype=object),
    )  # fmt: skip


FLIGHTS = (
    flight("quiet", [0.2, 0.3, 0.9]),
    flight("loud", [0.2, 1.5, 3.0], alarm=[1, 2]),
    flight("louder", [7.0, 5.0, np.nan], alarm=[0, 1]),
    flight("above but calm", [9.0, 0.1, 0.1]),
    flight("loud a little", [1.1, 1.2, 0.1], alarm=[1]),
    flight("found", [0.1, 4.0, 5.0], faulty_from=1, fault="ball", alarm=[2]),
    flight("missed", [0.9, 0.3, 0.4], faulty_from=1, fault="looseness"),
    flight("nearly found", [0.1, 0.8, 1.9], faulty_from=1, fault="looseness"),
    flight("missed by far", [5.0, 0.05, 0.1], faulty_from=1, fault="blade_damage", alarm=[0]),
    flight("never heard", [0.1, np.nan, np.nan], faulty_from=1, fault="ball"),
    flight("dead sensor", [9.0, 9.0, 9.0], fault="sensor_flatline", alarm=[0, 1, 2]),
)


def test_the_worst_come_first_and_no_more_than_two_of_a_kind():
    """An alarm that is right, a peak without an alarm, a dead sensor and a fault never heard are no such mistakes."""
    found = [(mistake.title, mistake.moment.flight.name, mistake.moment.index) for mistake in worst_mistakes(FLIGHTS)]
    assert found == [
        ("False alarm", "louder", 0),
        ("False alarm", "missed by far", 0),
        ("Missed: blade damage", "missed by far", 2),
        ("Missed: looseness", "missed", 2),
    ]


@pytest.mark.parametrize(
    ("flights", "text"),
    [
        (FLIGHTS, "Of 10 test flights 4 had a false alarm and 4 a fault without an alarm. At most 2"),
        (FLIGHTS[:1], "Of 1 test flight 0 had a false alarm and 0 a fault without an alarm. There is none to show."),
    ],
)
def test_the_sentence_counts_all_of_them(flights, text):
    """Also those that are not shown."""
    assert mistakes_sentence(flights, worst_mistakes(flights)).startswith(text)
