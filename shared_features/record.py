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
from shared_features.quality import ASSESSED, NOT_FINITE, quality_of
from shared_features.segments import SegmentMaker
from shared_features.spec_checks import needs_segments
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
        psd: (n_line,) one-sided power spectral density, unit²/Hz; empty where no group needs it.
        envelope: (n_envelope,) energies of the envelope; see ``envelope``.
        orders: (n_order,) powers of the orders; see ``orders``.
    """

    reason: str
    waveform: Waveform
    psd: NDArray[np.float64]
    envelope: NDArray[np.float64]
    orders: NDArray[np.float64]


class RecordMaker:
    """Computes records by one spec; holds constants and scratch memory, so one maker serves one thread."""

    def __init__(self, spec: FeatureSpec) -> None:
        self._limits = spec.quality
        self._waveform = WaveformMaker(spec)
        self._spectrum = _SpectrumMaker(spec) if needs_segments(spec) else _NoSpectrum()

    def record(self, samples: NDArray[np.float32], rotations: tuple[Rotation, ...] = ()) -> Record:
        """Statistics of one record.

        Args:
            samples: (record_n,) samples of one channel, contiguous, in the channel's unit.
            rotations: How the spec's shafts turned meanwhile.
        """
        if not self._waveform.load(samples):
            return self._unreadable(NOT_FINITE)
        waveform = self._waveform.measure()
        reason = quality_of(samples, self._waveform.deviation, waveform, self._limits)
        reason = reason or self._spectrum.reason(rotations)
        if reason:
            return self._unreadable(reason)
        psd, envelope, orders = self._spectrum.measure(self._waveform.deviation, rotations)
        return Record(reason=ASSESSED, waveform=waveform, psd=psd, envelope=envelope, orders=orders)

    def _unreadable(self, reason: str) -> Record:
        psd, envelope, orders = self._spectrum.nothing
        return Record(reason=reason, waveform=SILENT, psd=psd, envelope=envelope, orders=orders)


_Spectra = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Density, envelope energies and powers of orders of one record."""

_NOTHING = np.zeros(0)


class _NoSpectrum:
    """Stands in where no group is read from the segments."""

    nothing: _Spectra = (_NOTHING, _NOTHING, _NOTHING)

    def reason(self, rotations: tuple[Rotation, ...]) -> str:
        del rotations
        return ASSESSED

    def measure(self, deviation: NDArray[np.float64], rotations: tuple[Rotation, ...]) -> _Spectra:
        del deviation, rotations
        return self.nothing


class _SpectrumMaker:
    """What is read from the lines of a record's segments, cut and transformed once."""

    def __init__(self, spec: FeatureSpec) -> None:
        self._segments = SegmentMaker(spec)
        self._envelope = EnvelopeMaker(spec) if spec.envelope.enabled else None
        self._orders = OrdersMaker(spec) if spec.orders.enabled else None
        self.nothing: _Spectra = (
            np.zeros(spec.spectrum.segment_n // 2 + 1),
            np.zeros(len(envelope_features(spec)) if self._envelope else 0),
            np.zeros(self._orders.n if self._orders else 0),
        )

    def reason(self, rotations: tuple[Rotation, ...]) -> str:
        """Why the shafts' speeds do not allow to measure; empty where they do."""
        unknown = next((rotation.reason for rotation in rotations if rotation.reason), ASSESSED)
        if unknown or not self._envelope:
            return unknown
        return self._envelope.reason(_speeds_hz(rotations))

    def measure(self, deviation: NDArray[np.float64], rotations: tuple[Rotation, ...]) -> _Spectra:
        """Density, envelope and orders of one record, given its samples about their mean."""
        _, envelope, orders = self.nothing
        lines = self._segments.lines(deviation)
        if self._envelope:
            envelope = self._envelope.energies(lines, _speeds_hz(rotations))
        if not self._orders:
            return self._segments.density(), envelope, orders
        tracked = self._orders.tracked(lines, rotations)
        psd = self._segments.density()
        return psd, envelope, np.concatenate([tracked, self._orders.banded(psd, rotations)])


def _speeds_hz(rotations: tuple[Rotation, ...]) -> NDArray[np.float64]:
    return np.array([rotation.mean_hz for rotation in rotations], dtype=np.float64)
