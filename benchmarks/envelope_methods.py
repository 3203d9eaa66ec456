"""Ways to the analytic signal of a band, by cost and by error: the numbers of ADR 0009.

The reference transforms the whole record at once and takes the band's lines back into time. An error is the sum of the
differences of all lines of the squared envelope spectrum over the reference's sum, for noise and for noise with a
strong tone just outside the band. Costs come on top of the segments' lines, which Welch's method needs anyway.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy import signal

from benchmarks.cal import make_cal
from benchmarks.measure import Case, time_interleaved
from shared_features.baseband import Baseband
from shared_features.envelope import EnvelopeMaker
from shared_features.segments import SegmentMaker, hann
from shared_features.spec import BearingSpec, ChannelSpec, EnvelopeGroup, FeatureSpec, ShaftSpec, SpectrumGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Analytic = NDArray[np.complex128]

ROUNDS = 400
RATE_HZ = 25_600.0
LOW_HZ, HIGH_HZ = 2000.0, 4000.0
TONE_HZ = 1998.0
SOFT, HARD = 0.125, 0.0
SPEC = FeatureSpec(
    sampling_rate_hz=RATE_HZ, record_s=1.0, window_s=1.0, hop_s=1.0, channels=(ChannelSpec("acc", "g"),),
    spectrum=SpectrumGroup(5120, 2560, ()), shafts=(ShaftSpec("n1"),),
    envelope=EnvelopeGroup(True, (LOW_HZ, HIGH_HZ), (BearingSpec("front", "n1", 9, 7.94, 39.04),)),
)  # fmt: skip


def main() -> int:
    """Measure and print; returns the exit code."""
    noise = np.random.default_rng(1).standard_normal(SPEC.record_n)
    cut = noise + 5.0 * np.sin(2.0 * np.pi * TONE_HZ * np.arange(SPEC.record_n) / RATE_HZ)
    cal = make_cal()
    own = {
        "overlap-add": overlap_add(noise, SOFT),
        "all energies": energies(noise),
        "whole record": whole_record(noise, SOFT),
    }
    # Not among the others: it empties the caches for whatever runs next.
    idiom = {"scipy butter, hilbert": butter_hilbert(noise)}
    for name, cost in (*costs(cal, own), *costs(cal, idiom)):
        print(f"{name:24}{cost:6.2f} cal")
    for name, edge in (("hard", HARD), ("soft", SOFT)):
        errors = [relative_error(overlap_add(x, edge)(), whole_record(x, edge)()) for x in (noise, cut)]
        print(f"{name} ends of the band: error {errors[0]:.1e} in noise, {errors[1]:.1e} beside a tone")
    return 0


def costs(cal: Callable[[], object], ways: Mapping[str, Callable[[], object]]) -> Iterator[tuple[str, float]]:
    """Name and median thread CPU time of each way, over that of the calibration loop between them."""
    cases = [Case(name, partial(_same, way), ROUNDS) for name, way in (("cal", cal), *ways.items())]
    times = {name: float(np.median(values)) for name, values in time_interleaved(cases, seed=1).items()}
    return ((name, times[name] / times["cal"]) for name in ways)


def overlap_add(x: Floats, edge: float) -> Callable[[], Analytic]:
    """The product's way, from the segments' lines."""
    band = Baseband(SPEC, (LOW_HZ, HIGH_HZ), oversampling=2, edge=edge)
    return partial(band.signal, SegmentMaker(SPEC).lines(x))


def energies(x: Floats) -> Callable[[], Floats]:
    """All that the envelope group adds to a record: one bearing."""
    return partial(EnvelopeMaker(SPEC).energies, SegmentMaker(SPEC).lines(x), np.array([30.0]))


def whole_record(x: Floats, edge: float) -> Callable[[], Analytic]:
    """One transform there, one back, with the same ends of the band and of the record."""
    band = Baseband(SPEC, (LOW_HZ, HIGH_HZ), oversampling=2, edge=edge)
    half_n, first = SPEC.spectrum.segment_n // 2, round(LOW_HZ * SPEC.record_s)
    faded = x.copy()
    faded[:half_n] *= hann(2 * half_n)[:half_n]
    faded[-half_n:] *= hann(2 * half_n)[half_n:]
    inside_hz = np.arange(round((HIGH_HZ - LOW_HZ) * SPEC.record_s)) / SPEC.record_s
    reach_hz = np.minimum(inside_hz, HIGH_HZ - LOW_HZ - SPEC.line_hz - inside_hz) + SPEC.line_hz / 2
    gain = 0.5 - 0.5 * np.cos(np.pi * np.clip(reach_hz / (edge * band.width_hz), 0.0, 1.0)) if edge else 1.0
    lines = np.zeros(band.n, dtype=np.complex128)

    def run() -> Analytic:
        np.multiply(np.fft.rfft(faded)[first : first + inside_hz.size], gain, out=lines[: inside_hz.size])
        return np.fft.ifft(lines, norm="forward")

    return run


def butter_hilbert(x: Floats) -> Callable[[], Analytic]:
    """The idiom of textbooks."""
    sections = signal.butter(4, (LOW_HZ, HIGH_HZ), "bandpass", fs=RATE_HZ, output="sos")
    return lambda: signal.hilbert(signal.sosfiltfilt(sections, x))


def relative_error(found: Analytic, expected: Analytic) -> float:
    """Sum over all lines of the differences of two squared envelope spectra, over the sum of the second."""
    one, other = (_power(analytic) for analytic in (found, expected))
    return float(np.abs(one - other).sum() / other.sum())


def _power(analytic: Analytic) -> Floats:
    fade = Baseband(SPEC, (LOW_HZ, HIGH_HZ), oversampling=2).fade
    taper = hann(analytic.size)
    squared = np.abs(analytic) ** 2 * taper
    steady = fade * fade * taper
    return np.asarray(np.abs(np.fft.rfft(squared / squared.sum() - steady / steady.sum())) ** 2)


def _same(way: Callable[[], object]) -> Callable[[], object]:
    return way


if __name__ == "__main__":
    sys.exit(main())
