"""What a demodulation band that was chosen on healthy records is worth once a fault comes: the numbers of ADR 0013.

Machines of one resonance each, anywhere from 1.5 to 11 kHz, under noise that falls with frequency. A fault strikes 97
times a second. A band is judged by how far the fault's lines in the squared envelope spectrum of faulty records stand
out of those of healthy ones, against the best of all candidate bands of that machine.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
from scipy import signal

from ground.demodulation import KURTOSIS, BandReader, BandRecords, candidate_bands, choose_band
from ground.features_config import with_band
from shared_features.envelope import squared_envelope_spectrum
from shared_features.spec import ChannelSpec, EnvelopeGroup, FeatureSpec, SpectrumGroup

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MACHINES = 40
RECORDS = 9
FAULTY = 3
RATE_HZ = 25_600.0
FAULT_HZ = 97.0
HARMONICS = 3
FIXED_HZ = (6_400.0, 9_600.0)
SPEC = FeatureSpec(
    sampling_rate_hz=RATE_HZ, record_s=1.0, window_s=1.0, hop_s=1.0, channels=(ChannelSpec("acc", "g"),),
    spectrum=SpectrumGroup(5120, 2560, ()), envelope=EnvelopeGroup(True, FIXED_HZ),
)  # fmt: skip


class Machine:
    """One machine: where it rings, and how loud impacts are on its healthy and on its faulty days."""

    def __init__(self, rng: np.random.Generator, healthy: float, faulty: float) -> None:
        self._rng = rng
        self.ring_hz = float(np.exp(rng.uniform(np.log(1_500.0), np.log(11_000.0))))
        self._damping = rng.uniform(0.02, 0.05)
        self._levels = (healthy, faulty)

    def record(self, *, is_faulty: bool) -> NDArray[np.float32]:
        """(record_n,) noise, part of which the resonance lifts, and impacts that ring."""
        n, lead_n = SPEC.record_n, 2_048
        white, lifted = self._rng.standard_normal((2, n + lead_n))
        fall = signal.lfilter(*signal.butter(1, 800.0, fs=RATE_HZ), white) + 0.05 * white
        impacts = np.zeros(n + lead_n)
        at = np.cumsum(RATE_HZ / FAULT_HZ * (1.0 + 0.002 * self._rng.standard_normal(n)))
        impacts[at[at < impacts.size].astype(np.intp)] = self._levels[is_faulty]
        ring = signal.lfilter(*self._resonance(), 0.02 * lifted + impacts)
        record: NDArray[np.float32] = (fall + ring)[lead_n:].astype(np.float32)
        return record

    def _resonance(self) -> tuple[list[float], list[float]]:
        decay = 2.0 * np.pi * self._damping * self.ring_hz / RATE_HZ
        turn = 2.0 * np.pi * self.ring_hz / RATE_HZ
        radius = float(np.exp(-decay))
        return [0.0, radius * float(np.sin(turn))], [1.0, -2.0 * radius * float(np.cos(turn)), radius * radius]


def main() -> int:
    """Measure and print; returns the exit code."""
    print(f"{'healthy impacts':18}{'rule kurtosis':>15}{'holds resonance':>17}{'chosen':>9}{'fixed':>9}{'any':>9}  dB")
    for name, healthy in (("none", 0.0), ("weak", 0.15), ("audible", 0.3)):
        rows = [_judge(np.random.default_rng(seed), healthy) for seed in range(MACHINES)]
        rule, holds, chosen, fixed, anyone = np.array(rows).T
        medians = "".join(f"{np.median(column):9.1f}" for column in (chosen, fixed, anyone))
        print(f"{name:18}{np.mean(rule):15.0%}{np.mean(holds):17.0%}{medians}")
    return 0


def _judge(rng: np.random.Generator, healthy: float) -> tuple[bool, bool, float, float, float]:
    """Whether kurtosis decided, whether the band holds the resonance, and the bands' distances from the best, dB."""
    machine = Machine(rng, healthy, healthy + 0.3)
    reader = BandReader(SPEC)
    usual = [machine.record(is_faulty=False) for _ in range(RECORDS)]
    worn = [machine.record(is_faulty=True) for _ in range(FAULTY)]
    kurtosis, level = (np.array(part) for part in zip(*map(reader.read, usual), strict=True))
    choice = choose_band(
        SPEC, [BandRecords(kurtosis=kurtosis, level=level, channel=np.zeros(RECORDS, int), highest_fault_hz=FAULT_HZ)]
    )
    bands = [candidate.band_hz for candidate in candidate_bands(SPEC)]
    contrasts = {band: _contrast_db(band, usual, worn) for band in {*bands, FIXED_HZ}}
    best = max(contrasts[band] for band in bands)
    low_hz, high_hz = choice.band_hz
    return (
        choice.rule == KURTOSIS,
        low_hz < machine.ring_hz < high_hz,
        contrasts[choice.band_hz] - best,
        contrasts[FIXED_HZ] - best,
        float(np.median([contrasts[band] for band in bands])) - best,
    )


def _contrast_db(band: tuple[float, float], usual: list[NDArray[np.float32]], worn: list[NDArray[np.float32]]) -> float:
    spec = with_band(SPEC, band)
    healthy, faulty = (np.mean([_fault_power(spec, record) for record in records]) for records in (usual, worn))
    return float(10.0 * np.log10(faulty / healthy))


def _fault_power(spec: FeatureSpec, record: NDArray[np.float32]) -> float:
    frequency_hz, power = squared_envelope_spectrum(spec, record)
    offset = np.abs(frequency_hz[:, np.newaxis] - FAULT_HZ * np.arange(1.0, HARMONICS + 1.0))
    return float(np.sum(power[(offset < 0.02 * FAULT_HZ).any(axis=1)]))


if __name__ == "__main__":
    sys.exit(main())
