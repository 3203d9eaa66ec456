"""The atomic unit: the statistics of one record of one channel.

Everything is computed in float64, by sums over rows of fixed length and order, so that a record has the same bits
wherever and however often it is computed. No BLAS call and no single-precision transcendental appears here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_features.quality import ASSESSED, NOT_FINITE, quality_of
from shared_features.segments import SegmentMaker
from shared_features.spec_checks import needs_segments
from shared_features.waveform import SILENT, Waveform, WaveformMaker

if TYPE_CHECKING:
    from shared_features.spec import FeatureSpec

_NOTHING = np.zeros(0)


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
        self._segments = [SegmentMaker(spec)] if needs_segments(spec) else []
        self._no_psd = np.zeros(spec.spectrum.segment_n // 2 + 1 if self._segments else 0)

    def record(self, samples: NDArray[np.float32]) -> Record:
        """Statistics of one record.

        Args:
            samples: (record_n,) samples of one channel, in the channel's unit.
        """
        if not self._waveform.load(samples):
            return self.unreadable(NOT_FINITE)
        waveform = self._waveform.measure()
        reason = quality_of(samples, self._waveform.deviation, waveform, self._limits)
        if reason != ASSESSED:
            return self.unreadable(reason)
        return Record(reason=ASSESSED, waveform=waveform, psd=self._psd(), envelope=_NOTHING, orders=_NOTHING)

    def unreadable(self, reason: str) -> Record:
        """The record of samples that cannot be assessed."""
        return Record(reason=reason, waveform=SILENT, psd=self._no_psd, envelope=_NOTHING, orders=_NOTHING)

    def _psd(self) -> NDArray[np.float64]:
        for segments in self._segments:
            segments.lines(self._waveform.deviation)
            return segments.density()
        return self._no_psd
