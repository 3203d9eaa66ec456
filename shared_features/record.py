"""The atomic unit: the statistics of one record of one channel.

Everything is computed in float64, by sums over rows of fixed length and order, so that a record has the same bits
wherever and however often it is computed. No BLAS call and no single-precision transcendental appears here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_features.envelope import EnvelopeMaker, envelope_features
from shared_features.orders import OrdersMaker
from shared_features.quality import ASSESSED, NOT_FINITE, judges_of
from shared_features.segments import SegmentMaker
from shared_features.spec_checks import followed_shafts, needs_segments
from shared_features.waveform import SILENT, Waveform, WaveformMaker

if TYPE_CHECKING:
    from shared_features.rotation import Rotation
    from shared_features.spec import FeatureSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Statistics of ``record_n`` samples of one channel; all zero where it cannot be assessed.

    Attributes:
        reason: Why the record cannot be assessed; empty when it can.
        waveform: What is read sample by sample.
        powers: (n,) what a window is the mean of: the one-sided power spectral density in unit²/Hz, then the energies
            of the envelope, then the powers of the orders; each empty where no group needs it.
        cuts: Where in ``powers`` the envelope begins, and where the orders do.
    """

    reason: str
    waveform: Waveform
    powers: NDArray[np.float64]
    cuts: tuple[int, int]


class RecordMaker:
    """Computes records by one spec; holds constants and scratch memory, so one maker serves one thread."""

    def __init__(self, spec: FeatureSpec) -> None:
        self._judges = judges_of(spec)
        self._waveform = WaveformMaker(spec)
        self._spectrum = _SpectrumMaker(spec, self._waveform.memory) if needs_segments(spec) else _NoSpectrum()

    def record(self, samples: NDArray[np.float32], rotations: tuple[Rotation, ...] = (), *, channel: int = 0) -> Record:
        """Statistics of one record.

        Args:
            samples: (record_n,) samples of one channel, contiguous, in the channel's unit.
            rotations: How the spec's shafts turned meanwhile.
            channel: Index of the channel: its unit decides what the sensor is judged by.
        """
        if not self._waveform.load(samples):
            return self._unreadable(NOT_FINITE)
        waveform = self._waveform.measure()
        reason = self._judges[channel](samples, self._waveform.deviation, waveform)
        reason = reason or self._spectrum.reason(rotations)
        if reason:
            return self._unreadable(reason)
        powers = self._spectrum.measure(self._waveform.deviation, rotations)
        return Record(reason=ASSESSED, waveform=waveform, powers=powers, cuts=self._spectrum.cuts)

    def _unreadable(self, reason: str) -> Record:
        return Record(reason=reason, waveform=SILENT, powers=self._spectrum.nothing, cuts=self._spectrum.cuts)


class _NoSpectrum:
    """Stands in where no group is read from the segments."""

    nothing: NDArray[np.float64] = np.zeros(0)
    cuts = (0, 0)

    def reason(self, rotations: tuple[Rotation, ...]) -> str:
        del rotations
        return ASSESSED

    def measure(self, deviation: NDArray[np.float64], rotations: tuple[Rotation, ...]) -> NDArray[np.float64]:
        del deviation, rotations
        return self.nothing


class _SpectrumMaker:
    """What is read from the lines of a record's segments, cut and transformed once."""

    def __init__(self, spec: FeatureSpec, memory: NDArray[np.float64]) -> None:
        self._segments = SegmentMaker(spec, memory)
        self._envelope = EnvelopeMaker(spec) if spec.envelope.enabled else None
        self._orders = OrdersMaker(spec) if spec.orders.enabled else None
        followed = followed_shafts(spec)
        self._shafts = tuple(index for index, shaft in enumerate(spec.shafts) if shaft.name in followed)
        n_line = spec.spectrum.segment_n // 2 + 1
        n_envelope = len(envelope_features(spec)) if self._envelope else 0
        self.cuts = (n_line, n_line + n_envelope)
        self.nothing = np.zeros(n_line + n_envelope + (self._orders.n if self._orders else 0))

    def reason(self, rotations: tuple[Rotation, ...]) -> str:
        """Why the shafts' speeds do not allow to measure; empty where they do."""
        reasons = (rotations[shaft].reason for shaft in self._shafts)
        unknown = next((reason for reason in reasons if reason), ASSESSED)
        if unknown or not self._envelope:
            return unknown
        return self._envelope.reason(_speeds_hz(rotations))

    def measure(self, deviation: NDArray[np.float64], rotations: tuple[Rotation, ...]) -> NDArray[np.float64]:
        """Powers of one record, given its samples about their mean."""
        powers = np.empty(self.nothing.size)
        first, second = self.cuts
        psd, envelope, orders = powers[:first], powers[first:second], powers[second:]
        lines = self._segments.lines(deviation)
        if self._envelope:
            envelope[:] = self._envelope.energies(lines, _speeds_hz(rotations))
        # The density uses the lines up; the bands between two orders are read from the density.
        if self._orders:
            tracked = self._orders.tracked(lines, rotations)
            orders[: tracked.size] = tracked
        self._segments.density(out=psd)
        if self._orders:
            orders[tracked.size :] = self._orders.banded(psd, rotations)
        return powers


def _speeds_hz(rotations: tuple[Rotation, ...]) -> NDArray[np.float64]:
    return np.array([rotation.mean_hz for rotation in rotations], dtype=np.float64)
