"""The demodulation band of the envelope, chosen from healthy records of the fit alone, in the manner of a kurtogram.

Spectral kurtosis: J. Antoni, "The spectral kurtosis", Mech. Syst. Signal Process. 20 (2006); the tree of bands after
J. Antoni, "Fast computation of the kurtogram", Mech. Syst. Signal Process. 21 (2007). ADR 0013 has what was measured.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ground.errors import DataError
from ground.features_config import FEWEST_AUTO_N, Band, with_band
from shared_features.envelope import EnvelopeMaker
from shared_features.segments import hann
from shared_features.spec import EnvelopeGroup, FeatureSpec, OrdersGroup, TimeGroup, VelocityGroup

KURTOSIS = "kurtosis"
PROMINENCE = "prominence"
CHOICE = "demodulation.json"
"""In ``data/features``: the band that was chosen, and why."""

_PARTS = (2, 3, 4, 6, 8)
"""A band is one of so many parts of the range up to Nyquist, or lies half over two of them."""
_BLIND_PARTS = 4
"""Without kurtosis to guide, the band is a wide one: it will hold most of a resonance nearby."""
_LOWEST_LINE = 2
"""Segments come about their own means: lines 0 and 1 lack part of the signal."""
_FEWEST_LINES = 4
_FAULT_WIDTHS = 2.0
"""A band is so many times as wide as the highest fault frequency: modulations near the width are weak."""
_FLAT = 0.1
"""Below, healthy records are as good as Gaussian noise, and how they differ from band to band says nothing."""
_DB = 10.0 / math.log(10.0)
_SILENT = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A band that may be chosen: one of ``parts`` of the range up to Nyquist."""

    parts: int
    band_hz: Band


@dataclass(frozen=True, slots=True, kw_only=True)
class BandFinding:
    """What healthy records show in one band.

    Attributes:
        low_hz: Lower end.
        high_hz: Upper end.
        kurtosis: Spectral kurtosis, the median over recordings of their medians: 0 for noise, -1 for a tone.
        prominence_db: Mean density above the trend over the bands of that width.
    """

    low_hz: float
    high_hz: float
    kurtosis: float
    prominence_db: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BandChoice:
    """The chosen band, and what it was chosen from.

    Attributes:
        band_hz: The band.
        rule: ``kurtosis``: the highest of all; ``prominence``: kurtosis was flat.
        recordings: Recordings that healthy records were read from.
        records: So many of them.
        highest_fault_hz: Highest fault frequency of a bearing in these records; 0 without bearings.
        findings: Every band that could have been chosen.
    """

    band_hz: Band
    rule: str
    recordings: int
    records: int
    highest_fault_hz: float
    findings: tuple[BandFinding, ...]

    @property
    def summary(self) -> str:
        """The choice in a sentence."""
        low_hz, high_hz = self.band_hz
        chosen = next(each for each in self.findings if (each.low_hz, each.high_hz) == self.band_hz)
        why = {
            KURTOSIS: f"the highest spectral kurtosis, {chosen.kurtosis:.2f}",
            PROMINENCE: f"{chosen.prominence_db:.1f} dB above the trend, as no kurtosis stands out",
        }
        return (
            f"demodulation band {low_hz:g}-{high_hz:g} Hz of {len(self.findings)}: {why[self.rule]}, in {self.records} "
            f"healthy records of {self.recordings} recordings"
        )

    def to_json(self) -> bytes:
        """The file ``demodulation.json``, for people."""
        document = {"schema": 1, "flat_below": _FLAT, **asdict(self)}
        return (json.dumps(document, sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class BandRecords:
    """What healthy records of one recording show; one row a record and channel, one column a band.

    Attributes:
        kurtosis: (n_row, n_band) spectral kurtosis.
        level: (n_row, n_band) logarithm of the mean density, unit²/Hz.
        channel: (n_row,) index of the channel.
        highest_fault_hz: Highest fault frequency of a bearing; 0 without bearings.
    """

    kurtosis: NDArray[np.float64]
    level: NDArray[np.float64]
    channel: NDArray[np.int64]
    highest_fault_hz: float


class BandReader:
    """Reads what a record shows in every band; holds scratch memory, so one reader serves one thread."""

    def __init__(self, spec: FeatureSpec) -> None:
        candidates = candidate_bands(spec)
        # Whether the bearings' faults fit into a band is asked once, at the highest speed of all.
        bare = replace(spec, envelope=replace(spec.envelope, bearings=()))
        self._envelopes = [EnvelopeMaker(with_band(bare, candidate.band_hz)) for candidate in candidates]
        self._lines = [slice(*(_line(spec, end_hz) for end_hz in candidate.band_hz)) for candidate in candidates]
        self._taper = hann(spec.spectrum.segment_n)
        self._hop_n = spec.spectrum.segment_n - spec.spectrum.overlap_n
        self._scale = 2.0 / (spec.sampling_rate_hz * float(np.sum(self._taper**2)))

    def read(self, samples: NDArray[np.float32]) -> tuple[list[float], list[float]]:
        """Spectral kurtosis, and the logarithm of the mean density, in each band.

        Args:
            samples: (record_n,) finite samples of one channel.
        """
        x = samples.astype(np.float64)
        segments = sliding_window_view(x - np.mean(x), self._taper.size)[:: self._hop_n]
        lines = np.fft.rfft(segments * self._taper, axis=1)
        # mean(a^4) / mean(a^2)^2 of the envelope a is 1 and the powers of its modulations, and 2 for Gaussian noise.
        kurtosis = [float(np.sum(maker.spectrum(lines)[1])) - 1.0 for maker in self._envelopes]
        density = self._scale * np.mean(np.abs(lines) ** 2, axis=0)
        return kurtosis, [math.log(max(float(np.mean(density[band])), _SILENT)) for band in self._lines]


def plain_spec(spec: FeatureSpec) -> FeatureSpec:
    """The same windows with the waveform's features alone: enough to tell which of them can be assessed."""
    return replace(
        spec,
        time=TimeGroup(enabled=True),
        spectrum=replace(spec.spectrum, enabled=False),
        velocity=VelocityGroup(),
        envelope=EnvelopeGroup(),
        orders=OrdersGroup(),
    )


def candidate_bands(spec: FeatureSpec) -> tuple[Candidate, ...]:
    """Every band that may be chosen, the wide ones first; on the spectral lines of the spec.

    Raises:
        DataError: The segments are so short that a quarter of the range has too few lines.
    """
    segment_n = spec.spectrum.segment_n
    if segment_n < FEWEST_AUTO_N:
        raise DataError(
            f"features.spectrum.segment_n: expected at least {FEWEST_AUTO_N} samples to choose a demodulation "
            f"band from, got {segment_n}; lengthen the segments, or state features.envelope.band_hz"
        )
    nyquist_hz = spec.sampling_rate_hz / 2.0
    candidates = []
    for parts in _PARTS:
        for half in range(2 * parts - 1):
            low_hz, high_hz = (nyquist_hz * at / (2 * parts) for at in (half, half + 2))
            first, last = max(_line(spec, low_hz), _LOWEST_LINE), _line(spec, high_hz)
            if last - first >= _FEWEST_LINES:
                band_hz = (first * spec.line_hz, min(last * spec.line_hz, nyquist_hz))
                candidates.append(Candidate(parts, band_hz))
    return tuple(candidates)


def choose_band(spec: FeatureSpec, recordings: Sequence[BandRecords]) -> BandChoice:
    """The band to demodulate.

    The one of the highest spectral kurtosis: there the impacts of healthy bearings and gears come through already, and
    those of a damaged one will. Where kurtosis is flat, or no more than chance in so few records, the wide band whose
    density stands out most from its trend: a resonance is what impacts excite. Bands that are too narrow for the fault
    frequencies are left out, and halves of the range where narrower bands will do.

    Args:
        spec: The spec; its own demodulation band does not matter.
        recordings: What healthy records show in ``candidate_bands(spec)``; one or more, each with records.

    Raises:
        DataError: The highest fault frequency fits into no band, or the segments are too short for any.
    """
    candidates = candidate_bands(spec)
    fault_hz = max(records.highest_fault_hz for records in recordings)
    findings = _findings(candidates, recordings)
    fitting = _fitting_parts(spec, fault_hz)
    wanted = [index for index, candidate in enumerate(candidates) if candidate.parts in fitting]
    n = sum(len(records.channel) for records in recordings)
    least = {index: max(_FLAT, _chance(spec, candidates[index], n)) for index in wanted}
    impulsive = [index for index in wanted if findings[index].kurtosis >= least[index]]
    if impulsive:
        best, rule = max(impulsive, key=lambda index: findings[index].kurtosis), KURTOSIS
    else:
        blind = max(parts for parts in fitting if parts <= _BLIND_PARTS)
        wide = [index for index in wanted if candidates[index].parts == blind]
        best, rule = max(wide, key=lambda index: findings[index].prominence_db), PROMINENCE
    return BandChoice(
        band_hz=candidates[best].band_hz,
        rule=rule,
        recordings=len(recordings),
        records=sum(int(np.count_nonzero(records.channel == 0)) for records in recordings),
        highest_fault_hz=fault_hz,
        findings=tuple(findings[index] for index in wanted),
    )


def _findings(candidates: Sequence[Candidate], recordings: Sequence[BandRecords]) -> list[BandFinding]:
    """What the recordings show, by candidate."""
    kurtosis = np.median(_medians(recordings, "kurtosis"), axis=0)
    levels = _medians(recordings, "level")
    level = np.median(levels - levels.mean(axis=1, keepdims=True), axis=0)
    prominence = _DB * _above_trend(candidates, level)
    return [
        BandFinding(low_hz=each.band_hz[0], high_hz=each.band_hz[1], kurtosis=float(k), prominence_db=float(p))
        for each, k, p in zip(candidates, kurtosis, prominence, strict=True)
    ]


def _chance(spec: FeatureSpec, candidate: Candidate, n: int) -> float:
    """Kurtosis that noise has in a band by chance: four standard errors of the median of ``n`` records.

    That of ``m`` independent complex Gaussian samples varies by ``2 / sqrt(m)``. A record has width times span of them,
    half of which its taper takes away; the error of a median is 1.25 times that of a mean.
    """
    low_hz, high_hz = candidate.band_hz
    independent_n = 0.5 * (high_hz - low_hz) * spec.record_s * n
    return 4.0 * 1.25 * 2.0 / math.sqrt(independent_n)


def _fitting_parts(spec: FeatureSpec, fault_hz: float) -> tuple[int, ...]:
    nyquist_hz = spec.sampling_rate_hz / 2.0
    widest, *narrower = _PARTS
    fitting = tuple(parts for parts in narrower if nyquist_hz / parts >= _FAULT_WIDTHS * fault_hz)
    if not fitting and nyquist_hz / widest < fault_hz:
        raise DataError(
            f"features.envelope.bearings: expected fault frequencies of at most a quarter of signal.sampling_rate_hz "
            f"({nyquist_hz / widest:g} Hz), got {fault_hz:.6g} Hz; sample faster or leave the bearing out"
        )
    return fitting or (widest,)


def _medians(recordings: Sequence[BandRecords], name: str) -> NDArray[np.float64]:
    """(n, n_band) the median over the records of each channel of each recording."""
    rows = [
        np.median(getattr(records, name)[records.channel == channel], axis=0)
        for records in recordings
        for channel in np.unique(records.channel)
    ]
    return np.stack(rows)


def _above_trend(candidates: Sequence[Candidate], level: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n_band,) how far each level lies above the straight line, over log frequency, of the bands of its width."""
    centre = np.log([sum(candidate.band_hz) / 2.0 for candidate in candidates])
    parts = np.array([candidate.parts for candidate in candidates])
    above = np.zeros(len(candidates))
    for width in np.unique(parts):
        chosen = parts == width
        x, y = centre[chosen] - centre[chosen].mean(), level[chosen] - level[chosen].mean()
        spread = float(np.sum(x * x))
        above[chosen] = y - x * (float(np.sum(x * y)) / spread if spread > 0.0 else 0.0)
    return above


def _line(spec: FeatureSpec, frequency_hz: float) -> int:
    return round(frequency_hz / spec.line_hz)
