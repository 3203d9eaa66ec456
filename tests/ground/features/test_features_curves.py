"""What a plot draws is what the features say: the same numbers, the same places."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ground.features.curves import Curve, curves_of
from ground.features.excerpt import read_excerpt
from ground.features.rulers import band_rulers, fault_rulers, highest, order_rulers, speeds_of, turn_rulers
from ground.recording_index import read_index, read_table
from ground.report.view import Absent
from shared_features.bearing import fault_orders
from shared_features.groups import ShaftSpec, SpectrumGroup
from shared_features.vector import columns_of

HEALTHY, OUTER, FLAT = (f"sim-e{engine:04d}-f000" for engine in range(3))
STEADY_S = 19.0


@pytest.fixture(scope="module")
def excerpt_of(fleet, people_spec):
    """Reads a window of a flight."""

    def read(name, at_s=STEADY_S, spec=people_spec):
        info = next(info for info in read_index(fleet) if info.recording_id == name)
        return read_excerpt(fleet, info, spec, at_s)

    return read


def feature(excerpt, name):
    """A feature of the window by its full name."""
    names = [column.name for column in columns_of(excerpt.spec)]
    return float(excerpt.values[names.index(name)])


@pytest.mark.parametrize("channel", [0, 1])
def test_bands_are_the_features(excerpt_of, channel):
    """Mean density times width is the band's power."""
    excerpt = excerpt_of(HEALTHY)
    curves = curves_of(excerpt, channel)
    assert excerpt.reason == ""
    assert [(band.low_hz, band.high_hz) for band in curves.bands] == list(excerpt.spec.spectrum.bands_hz)
    for band in curves.bands:
        name = f"{curves.channel}.band_{band.low_hz:g}_{band.high_hz:g}_hz"
        assert band.density * (band.high_hz - band.low_hz) == pytest.approx(feature(excerpt, name), rel=1e-6)


@pytest.mark.parametrize("channel", [0, 1])
def test_dots_are_the_features(excerpt_of, channel):
    """The marked orders of each shaft; the curve passes through them."""
    excerpt = excerpt_of(HEALTHY)
    for part, orders in zip(excerpt.spec.orders.shafts, curves_of(excerpt, channel).orders, strict=True):
        assert orders.shaft == part.shaft
        marked = sorted([*part.orders, *(carrier.order for carrier in part.carriers)])
        assert orders.marked.x.tolist() == marked
        for order, rms in zip(marked, orders.marked.y, strict=True):
            name = f"{excerpt.spec.channels[channel].name}.{part.shaft}_{order:g}x"
            assert rms == pytest.approx(feature(excerpt, name), rel=1e-6)
        # The curve takes all orders out of one wide band, the features out of bands of their own.
        assert np.interp(orders.marked.x, orders.curve.x, orders.curve.y) == pytest.approx(orders.marked.y, rel=0.1)


def test_an_order_is_followed_through_a_run_up(excerpt_of, people_spec):
    """N2 at takeoff: the curve has its peak at 1 while the spectrum smears it."""
    excerpt = excerpt_of(HEALTHY, at_s=5.0, spec=replace(people_spec, window_s=1.0))
    (speed,) = [speed for shaft, speed in speeds_of(excerpt).items() if shaft == "n2"]
    assert not speed.is_steady
    n2 = curves_of(excerpt, 0).orders[1]
    about = (n2.curve.x > 0.8) & (n2.curve.x < 1.2)
    assert n2.curve.x[about][np.argmax(n2.curve.y[about])] == pytest.approx(1.0, abs=0.03)


def test_the_envelope_peaks_at_the_fault(excerpt_of):
    """The outer race's line of a simulated defect, which slips by 1 to 2 %, lies in its span and above all else."""
    excerpt = excerpt_of(OUTER)
    curves = curves_of(excerpt, 0)
    (ruler,) = [one for one in fault_rulers(excerpt, speeds_of(excerpt)) if "BPFO" in one.caption]
    first = ruler.marks[0]
    fast = curves.envelope.x > 100.0
    peak_hz = curves.envelope.x[fast][np.argmax(curves.envelope.y[fast])]
    assert first.low <= peak_hz <= first.high
    assert curves.envelope.y[fast].max() > 5.0 * np.median(curves.envelope.y[fast & (curves.envelope.x < 500.0)])


def test_marks_lie_at_orders_times_speed(excerpt_of):
    """Of shafts, of faults, and of bands."""
    excerpt = excerpt_of(HEALTHY)
    speeds = speeds_of(excerpt)
    n1_hz = float(np.mean([record[0].mean_hz for record in excerpt.rotations]))
    assert speeds["n1"].mean_hz == pytest.approx(n1_hz)
    n1, n2, band = order_rulers(excerpt, speeds)
    assert [(mark.label, mark.at / n1_hz) for mark in n1.marks] == [
        ("1x", pytest.approx(1.0)), ("2x", pytest.approx(2.0)), ("22x", pytest.approx(22.0)),
        ("", pytest.approx(21.0)), ("", pytest.approx(23.0)), ("", pytest.approx(20.0)), ("", pytest.approx(24.0)),
    ]  # fmt: skip
    assert [mark.label for mark in n2.marks] == ["1x"]
    assert band.spans == ((pytest.approx(4.0 * n1_hz), pytest.approx(20.0 * n1_hz)),)
    assert [ruler.spans for ruler in band_rulers(excerpt.spec)] == [((10.0, 1000.0),), ((2000.0, 4000.0),)]
    faults = fault_rulers(excerpt, speeds)
    orders = fault_orders(excerpt.spec.envelope.bearings[0])
    for ruler, order in zip(faults, orders, strict=True):
        assert [mark.at for mark in ruler.marks] == pytest.approx([k * order * n1_hz for k in (1, 2, 3)])
        assert all(mark.low <= 0.98 * mark.at + 1e-9 < 1.02 * mark.at - 1e-9 <= mark.high for mark in ruler.marks)
    assert highest(faults) == pytest.approx(3.0 * orders.bpfi * n1_hz)
    assert highest(()) == 0.0


def test_each_record_has_its_reason(fleet, excerpt_of):
    """One sensor goes flat: the record before is fine, those after have the reason, the other sensor has none."""
    row = next(row for row in read_table(fleet / "recordings.csv").rows if row["recording_id"] == FLAT)
    onset_s = math.floor(float(row["onset_s"]))
    before, after = (excerpt_of(FLAT, at_s=onset_s + past_s) for past_s in (-1.0, 1.0))
    assert {curves_of(before, channel).reasons[0] for channel in (0, 1)} == {""}
    assert after.reason == "flatline"
    found = sorted((curves_of(after, channel) for channel in (0, 1)), key=lambda curves: curves.reasons)
    assert [curves.reasons for curves in found] == [("", ""), ("flatline", "flatline")]
    assert all(isinstance(curves.density, Curve) and curves.time_s[0] == onset_s + 1.0 for curves in found)


def test_missing_samples_leave_what_can_be_drawn(excerpt_of):
    """A record with a NaN is left out of the curves; with one in each record there are none, and a sentence."""
    excerpt = excerpt_of(HEALTHY)
    samples = excerpt.samples.copy()
    samples[100, 0] = np.nan
    one = curves_of(replace(excerpt, samples=samples), 0)
    assert one.reasons == ("not_finite", "")
    rest = replace(excerpt, samples=np.tile(samples[10240:], (2, 1)), rotations=(excerpt.rotations[1],) * 2)
    assert np.array_equal(one.density.y, curves_of(rest, 0).density.y)
    samples[:, 0] = np.inf
    none = curves_of(replace(excerpt, samples=samples), 0)
    assert none.bands == ()
    for part in (none.density, none.envelope):
        assert part == Absent("No spectrum: samples are missing in every record of the window.")
    assert [part.text for part in none.orders] == [
        "No orders of N1: missing samples.",
        "No orders of N2: missing samples.",
    ]


def test_groups_that_are_off_leave_a_sentence(excerpt_of, people_spec):
    """No envelope group, no orders, no spectrum at all."""
    off = {name: type(getattr(people_spec, name))() for name in ("velocity", "envelope", "orders")}
    curves = curves_of(excerpt_of(HEALTHY, spec=replace(people_spec, **off)), 0)
    assert "no envelope group. Switch it on with features.envelope" in curves.envelope.text
    assert curves.orders == ()
    spectrum = SpectrumGroup(segment_n=0, overlap_n=0, bands_hz=(), enabled=False)
    curves = curves_of(excerpt_of(HEALTHY, spec=replace(people_spec, spectrum=spectrum, **off)), 0)
    assert "no group that is read from one" in curves.density.text
    assert curves.bands == ()


def test_velocity_alone_has_a_spectrum_without_bands(excerpt_of, people_spec):
    """The density is there, the bands are no features."""
    off = {name: type(getattr(people_spec, name))() for name in ("envelope", "orders")}
    spectrum = replace(people_spec.spectrum, enabled=False)
    curves = curves_of(excerpt_of(HEALTHY, spec=replace(people_spec, spectrum=spectrum, **off)), 0)
    assert isinstance(curves.density, Curve)
    assert curves.bands == ()


def test_a_shaft_without_pulses_has_a_reason(excerpt_of, people_spec):
    """A spec that follows a tachometer, a file that has none: no orders of that shaft, no fault lines."""
    spec = replace(people_spec, shafts=(ShaftSpec("n1", "tach"), ShaftSpec("n2")))
    excerpt = excerpt_of(HEALTHY, spec=spec)
    curves = curves_of(excerpt, 0)
    assert excerpt.reason == "tach_loss"
    assert curves.orders[0] == Absent("No orders of N1: tach loss.")
    speeds = speeds_of(excerpt)
    assert list(speeds) == ["n2"]
    assert fault_rulers(excerpt, speeds) == ()
    assert [ruler.caption[:2] for ruler in turn_rulers(speeds)] == ["N2"]


def test_a_shaft_too_slow_for_its_orders_is_still_marked(excerpt_of, people_spec):
    """Its speed is known; only the orders cannot be told apart."""
    parts = (replace(people_spec.orders.shafts[0], orders=(1.0, 1.05)), people_spec.orders.shafts[1])
    spec = replace(people_spec, orders=replace(people_spec.orders, shafts=parts))
    excerpt = excerpt_of(HEALTHY, spec=spec)
    assert excerpt.reason == "speed_out_of_range"
    assert curves_of(excerpt, 0).orders[0] == Absent("No orders of N1: speed out of range.")
    assert list(speeds_of(excerpt)) == ["n1", "n2"]


def test_speeds_are_told_by_reports_without_shafts(excerpt_of, people_spec):
    """A spec of conditions alone: 1x, 2x and 3x of what the file reports."""
    off = {name: type(getattr(people_spec, name))() for name in ("envelope", "orders")}
    excerpt = excerpt_of(HEALTHY, spec=replace(people_spec, shafts=(), conditions=(), **off))
    speeds = speeds_of(excerpt)
    assert speeds["n1"].mean_hz == pytest.approx(float(np.mean(excerpt.speeds_hz["n1"])))
    assert [mark.label for mark in order_rulers(excerpt, speeds)[0].marks] == ["1x", "2x", "3x"]
    unknown = {shaft: np.full(len(values), np.nan) for shaft, values in excerpt.speeds_hz.items()}
    assert speeds_of(replace(excerpt, speeds_hz=unknown)) == {}


def test_a_speed_is_one_number_where_it_is_steady(excerpt_of):
    """A range in a run-up."""
    speeds = speeds_of(excerpt_of(HEALTHY, at_s=5.0))
    assert any(" to " in speed.text for speed in speeds.values())
    assert all(" to " not in speed.text for speed in speeds_of(excerpt_of(HEALTHY)).values())
