"""Labels of windows: by majority of their samples, from runs alone, wherever the pieces of a recording are cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ground.recording import PhaseRun, Stretch
from ground.window_labels import LabelRuns, touches

S = 10**9


def stretch_of(labels, start_ns, first_n=0):
    """A stretch, or a piece of one, with these labels."""
    n = len(labels)
    return Stretch(
        start_ns, np.zeros((n, 1), np.float32), np.zeros((n, 0)), (PhaseRun(0, "steady"),),
        np.array(labels, dtype=np.int8), first_n=first_n,
    )  # fmt: skip


def labelled(*stretches):
    """The labels of a recording of 10 Hz, each stretch 100 s after the one before."""
    runs = LabelRuns(10.0)
    for index, labels in enumerate(stretches):
        runs.note(stretch_of(labels, index * 100 * S))
    return runs


LABELS = [
    ("all healthy", [0] * 10, 0, 0.0),
    ("all faulty", [1] * 10, 1, 1.0),
    ("all unlabelled", [-1] * 10, -1, 0.0),
    ("just over half faulty", [0] * 4 + [1] * 6, 1, 0.6),
    ("half faulty", [0] * 5 + [1] * 5, -1, 0.5),
    ("one sample faulty", [0] * 9 + [1], -1, 0.1),
    ("healthy and unlabelled", [0] * 9 + [-1], -1, 0.0),
    ("unlabelled, then faulty", [-1] * 4 + [1] * 6, 1, 0.6),
]


@pytest.mark.parametrize(("samples", "label", "share"), [row[1:] for row in LABELS], ids=[row[0] for row in LABELS])
def test_labels_of_windows(samples, label, share):
    """Faulty by majority, healthy only as a whole, and nothing in between."""
    runs = labelled([0] * 20, samples + [0] * 5)
    result = runs.label_windows(np.array([100 * S]), np.array([101 * S]))
    assert result.label.tolist() == [label]
    assert result.faulty_share.tolist() == pytest.approx([share])


def test_a_window_between_two_stretches_counts_the_samples_of_both():
    """5 healthy samples before the gap, 6 faulty ones after it: faulty."""
    runs = labelled([0] * 10, [1] * 10)
    result = runs.label_windows(np.array([S // 2]), np.array([100 * S + 6 * S // 10]))
    assert result.label.tolist() == [1]
    assert result.faulty_share.tolist() == pytest.approx([6 / 11])


def test_a_window_without_samples_is_unlabelled():
    """Nothing is known of a span between two stretches."""
    result = labelled([0] * 10, [0] * 10).label_windows(np.array([50 * S]), np.array([60 * S]))
    assert (result.label.tolist(), result.faulty_share.tolist()) == ([-1], [0.0])


def test_no_windows_have_no_labels():
    """A recording shorter than a window."""
    result = labelled([0] * 10).label_windows(np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert result.label.shape == result.faulty_share.shape == (0,)


def test_a_uniform_recording_is_one_run():
    """However many pieces it comes in: what is kept does not grow with the samples."""
    runs = LabelRuns(10.0)
    for first_n in range(0, 1000, 10):
        runs.note(stretch_of([0] * 10, 0, first_n))
    assert len(runs._run_n) == 1


def labels_by_samples(stretches, rate_hz, start_ns, end_ns):
    """The labels as a table of every sample gives them: what the runs must equal."""
    counts = np.zeros((3, len(start_ns)))
    for start, labels in stretches:
        first, end = (
            np.clip(np.rint((t_ns - start) * (rate_hz / S)).astype(np.int64), 0, len(labels))
            for t_ns in (start_ns, end_ns)
        )
        for row, label in enumerate((0, 1)):
            before = np.concatenate([[0], np.cumsum(np.array(labels) == label)])
            counts[row] += before[end] - before[first]
        counts[2] += end - first
    healthy, faulty, total = counts
    found = np.full(len(start_ns), -1, dtype=np.int8)
    found[(healthy == total) & (total > 0)] = 0
    found[2.0 * faulty > total] = 1
    return found, (faulty / np.maximum(total, 1.0)).astype(np.float32)


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=8),
    drift=st.floats(0.3, 1.1),
    rate_hz=st.sampled_from([10.0, 7.0, 1024.0, 25_600.0]),
)
def test_runs_give_the_labels_of_the_samples(seed, lengths, drift, rate_hz):
    """Also where stretches overlap by their counts of samples, as they do when the clock of the recorder drifts."""
    rng = np.random.default_rng(seed)
    start_ns, stretches, runs = 1_700_000_000_000_000_000, [], LabelRuns(rate_hz)
    for n in lengths:
        labels = np.repeat(rng.integers(-1, 2, n // 5 + 1), 5)[:n].tolist()
        stretches.append((start_ns, labels))
        cut = int(rng.integers(0, n + 1))
        for first_n, part in ((0, labels[:cut] or labels), (cut, labels[cut:] if cut else [])):
            if part:
                runs.note(stretch_of(part, start_ns, first_n))
        start_ns += max(1, round(n / rate_hz * S * drift) + int(rng.integers(0, 2) * rng.integers(0, S)))
    begin = rng.integers(1_700_000_000_000_000_000 - S, start_ns + S, 50)
    end = begin + rng.integers(1, round(40 / rate_hz * S), 50)
    label, share = labels_by_samples(stretches, rate_hz, begin, end)
    result = runs.label_windows(begin, end)
    assert result.label.tolist() == label.tolist()
    assert result.faulty_share.tobytes() == share.tobytes()


def test_touching_spans():
    """Half-open spans: a common end is no common time."""
    start_ns, end_ns = np.array([0, 10, 20]), np.array([10, 20, 30])
    assert touches(start_ns, end_ns, [(10, 11)]).tolist() == [False, True, False]
    assert touches(start_ns, end_ns, [(5, 15), (29, 99)]).tolist() == [True, True, True]
    assert touches(start_ns, end_ns, []).tolist() == [False, False, False]
