"""The comparison finds one bit, and says which window and feature it is in."""

from __future__ import annotations

import numpy as np
import pytest

from shared_features.vector import columns_of
from tests.determinism import compare as tool
from tests.determinism.compare import compare, ordered
from tests.determinism.exact_signals import SIGNALS, noise, run_up_pulses, run_up_turns, seconds, sine
from tests.determinism.golden_cases import SPECS, cases

NAME = "odd/broadband"
COLUMNS = [column.name for column in columns_of(SPECS["odd"].spec)]


@pytest.fixture
def golden():
    """A set of one case with three windows, the last of them not assessed."""
    values = np.arange(1.0, 3.0 * len(COLUMNS) + 1.0, dtype=np.float32).reshape(3, -1)
    return {
        f"{NAME}/values": values,
        f"{NAME}/exact": values.T.astype(np.float64),
        f"{NAME}/reasons": np.array(["", "", "flatline"]),
        f"{NAME}/input": np.array(7),
    }


def changed(golden, key, index, value):
    """The set with one number replaced."""
    copy = dict(golden)
    copy[key] = copy[key].copy()
    copy[key][index] = value
    return copy


def test_equal_sets_are_equal(golden):
    """All counts are zero."""
    comparison = compare(golden, golden)
    assert comparison.equal
    assert (comparison.windows, comparison.values, comparison.exact_differing) == (3, 3 * len(COLUMNS), 0)


def test_one_last_place_is_named(golden):
    """Window, feature, both values, distance."""
    value = np.nextafter(golden[f"{NAME}/values"][1, 2], np.float32(np.inf))
    comparison = compare(golden, changed(golden, f"{NAME}/values", (1, 2), value))
    (difference,) = comparison.differences
    assert not comparison.equal
    assert (difference.case, difference.window, difference.feature, difference.ulps) == (NAME, 1, COLUMNS[2], 1)
    assert f"window 1 {COLUMNS[2]}" in str(comparison)


def test_a_zero_of_the_other_sign_is_a_difference(golden):
    """Bits, not numbers."""
    left, right = (changed(golden, f"{NAME}/values", (0, 0), zero) for zero in (0.0, -0.0))
    assert [difference.ulps for difference in compare(left, right).differences] == [0]


@pytest.mark.parametrize(
    ("key", "index", "value", "text"),
    [("input", (), 8, "the inputs differ"), ("reasons", 1, "clipped", "window 1: the reasons differ")],
)
def test_other_inputs_and_reasons_are_no_equality(golden, key, index, value, text):
    """Equal features of other samples prove nothing."""
    comparison = compare(golden, changed(golden, f"{NAME}/{key}", index, value))
    assert not comparison.equal
    assert text in str(comparison)


def test_float64_distances_are_counted_in_places_of_float32(golden):
    """Half a place of float32 shows in every second value; windows that are not assessed do not count."""
    exact = golden[f"{NAME}/exact"]
    half = 0.5 * np.spacing(np.float32(exact[4, 1]))
    other = changed(golden, f"{NAME}/exact", (4, 1), exact[4, 1] + half)
    other = changed(other, f"{NAME}/exact", (4, 2), 0.0)
    comparison = compare(golden, other)
    assert comparison.equal
    assert (comparison.exact_differing, comparison.expected, comparison.worst) == (1, 0.5, (0.5, NAME))
    assert comparison.exact_features == {COLUMNS[4].removeprefix("acc.")}


def test_numbers_are_ordered_by_their_bits():
    """Neighbours are one apart, on both sides of zero."""
    values = np.array([-1.5, -1e-45, -0.0, 0.0, 1e-45, 1.5], dtype=np.float32)
    steps = np.diff(ordered(values))
    assert steps[1:4].tolist() == [1, 0, 1]
    assert (
        ordered(np.array([1.0], dtype=np.float32))[0] + 1 == ordered(np.nextafter(np.float32([1.0]), np.float32(2)))[0]
    )


def test_the_tool_ends_with_one_where_bits_differ(golden, tmp_path, capsys):
    """So that make fails."""
    value = np.float32(-1.0)
    np.savez(tmp_path / "a.npz", **golden)
    np.savez(tmp_path / "b.npz", **changed(golden, f"{NAME}/values", (0, 0), value))
    assert tool.main(tmp_path / "a.npz", tmp_path / "a.npz") == 0
    assert tool.main(tmp_path / "a.npz", tmp_path / "b.npz") == 1
    assert COLUMNS[0] in capsys.readouterr().out


def test_exact_signals_are_what_their_names_say():
    """Against the C library, within rounding, so that the golden set is about signals and not about noise."""
    t_s = seconds(2000.0, 8000)
    np.testing.assert_allclose(sine(t_s), np.sin(2 * np.pi * t_s), atol=1e-13)
    assert np.std(noise(100_000, 1)) == pytest.approx(1.0, abs=0.01)
    at_pulses = run_up_turns(run_up_pulses(2000.0, 8000, 2.0) / 2000.0)
    np.testing.assert_allclose(at_pulses, (np.arange(at_pulses.size) + 0.25) / 2.0, rtol=1e-12)
    assert len({make(t_s, 3).tobytes() for make in SIGNALS.values()}) == len(SIGNALS)


def test_the_set_holds_every_group():
    """A new group that no golden case has would go unproven."""
    enabled = {
        group: any(getattr(golden.spec, group).enabled for golden in SPECS.values())
        for group in ("time", "spectrum", "velocity", "envelope", "orders")
    }
    assert all(enabled.values()), enabled
    assert {case.name.split("/")[0] for case in cases()} == {
        name for name, golden in SPECS.items() if golden.record_count
    }
