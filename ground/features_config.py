"""The `features` section of the config: spans and groups, and the FeatureSpec that they make.

What the parts must be among each other, ``shared_features.spec_checks`` checks once, when the spec is built.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from shared_features.errors import SpecError
from shared_features.spec import (
    LONGEST_ROW_N,
    BearingSpec,
    Carrier,
    ChannelSpec,
    EnvelopeGroup,
    FeatureSpec,
    OrderBand,
    OrdersGroup,
    QualityLimits,
    ShaftOrders,
    ShaftSpec,
    SpectrumGroup,
    TimeGroup,
    VelocityGroup,
    is_whole_multiple,
)

AUTO: Final = "auto"
Share = Annotated[float, Field(gt=0.0, lt=1.0)]
Band = tuple[float, float]
"""Lower and upper end in Hz."""

_LOWEST_BAND_HZ = 10.0
_HIGHEST_BAND_SHARE = 0.9
_SEGMENTS_PER_RECORD = 5
_STAND_IN_SHARE = (0.5, 0.75)
FEWEST_AUTO_N = 32
"""Samples of a segment from which a quarter of the range has four lines: the widest band without kurtosis to guide."""


class Section(BaseModel):
    """A part of the config: no unknown keys, no infinities, never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ChannelConfig(Section):
    """One sensor channel and the unit of its samples.

    Attributes:
        name: Its column in the recordings.
        unit: ``g``, ``m/s2``, ``mm/s``, ``um``, ``V``, ``bar``, ``degC``, ... or ``unknown``.
    """

    name: str
    unit: str


class ShaftConfig(Section):
    """One shaft whose rotation is followed; see ``shared_features.groups.ShaftSpec``."""

    name: Literal["n1", "n2"]
    source: Literal["reported", "tach"] = "reported"
    pulses_per_rev: float = Field(default=1.0, gt=0.0)


class SignalConfig(Section):
    """What the recordings hold.

    Attributes:
        sampling_rate_hz: Rate of every recording that the detector is for.
        channels: The sensor channels, in the order in which agents hear them.
        conditions: Speeds that say at which operating condition a window was heard.
        shafts: Shafts whose rotation is followed.
    """

    sampling_rate_hz: float = Field(gt=0.0)
    channels: tuple[ChannelConfig, ...] = Field(min_length=1)
    conditions: tuple[Literal["n1_hz", "n2_hz"], ...] = ()
    shafts: tuple[ShaftConfig, ...] = ()


class SpectrumConfig(Section):
    """Welch spectrum; see ``shared_features.groups.SpectrumGroup``.

    Attributes:
        enabled: Whether its features are in the vector.
        segment_n: Samples of one Welch segment, at most 8192; 0: the longest, up to a fifth of a record, that fill it.
        overlap_n: Samples that neighbouring segments share; half a segment where ``segment_n`` is 0.
        n_bands: Bands, log-spaced from 10 Hz to nine tenths of the Nyquist frequency, where ``bands_hz`` is empty.
    """

    enabled: bool = True
    segment_n: int = Field(default=0, ge=0)
    overlap_n: int = Field(default=0, ge=0)
    n_bands: int = Field(default=12, ge=1, le=256)
    bands_hz: tuple[Band, ...] = ()
    rolloff: Share = 0.85
    dominant_n: int = Field(default=0, ge=0)


class VelocityConfig(Section):
    """Velocity RMS by integration; see ``shared_features.groups.VelocityGroup``."""

    enabled: bool = False
    low_hz: float = 10.0
    high_hz: float = 1000.0


class BearingConfig(Section):
    """Geometry of one rolling bearing; see ``shared_features.groups.BearingSpec``."""

    name: str
    shaft: Literal["n1", "n2"]
    n_ball: int
    ball_mm: float
    pitch_mm: float
    contact_deg: float = 0.0


class EnvelopeConfig(Section):
    """Envelope spectrum; see ``shared_features.groups.EnvelopeGroup``.

    Attributes:
        band_hz: The demodulation band, [low, high) in Hz; ``auto`` lets ``ground featurize`` choose it.
    """

    enabled: bool = False
    band_hz: Literal["auto"] | Band = AUTO
    bearings: tuple[BearingConfig, ...] = ()
    harmonics: int = 3
    tolerance: float = 0.02

    @field_validator("band_hz", mode="before")
    @classmethod
    def _auto_or_band(cls, value: object) -> object:
        if value != AUTO and not (isinstance(value, list | tuple) and len(value) == len(("low", "high"))):
            raise ValueError(f"expected [low, high] in Hz or {AUTO}, got {value!r}; correct it")
        return value


class CarrierConfig(Section):
    """A gear mesh or blade passing order and its sidebands; see ``shared_features.groups.Carrier``.

    Attributes:
        order: Multiple of the shaft's speed.
        sidebands: How many on each side count.
    """

    order: float
    sidebands: int = 2


class ShaftOrdersConfig(Section):
    """Orders of one shaft; see ``shared_features.groups.ShaftOrders``.

    Attributes:
        shaft: Which.
        orders: Multiples of its speed whose levels are features.
        carriers: Gear mesh and blade passing orders with their sidebands.
    """

    shaft: Literal["n1", "n2"]
    orders: tuple[float, ...] = (0.5, 1.0, 2.0, 3.0)
    carriers: tuple[CarrierConfig, ...] = ()


class OrderBandConfig(Section):
    """Power between two orders of a shaft; see ``shared_features.groups.OrderBand``.

    Attributes:
        shaft: Which.
        low: Lower order.
        high: Upper order, not included.
    """

    shaft: Literal["n1", "n2"]
    low: float
    high: float


class OrdersConfig(Section):
    """Levels of shaft orders; see ``shared_features.groups.OrdersGroup``."""

    enabled: bool = False
    shafts: tuple[ShaftOrdersConfig, ...] = ()
    bands: tuple[OrderBandConfig, ...] = ()
    max_hz: float = 0.0
    tolerance: float = 0.01


class QualityConfig(Section):
    """When a record cannot be assessed; see ``shared_features.groups.QualityLimits``."""

    flat_run_ratio: float = QualityLimits().flat_run_ratio
    clip_ratio: float = QualityLimits().clip_ratio
    tach_gap_ratio: float = QualityLimits().tach_gap_ratio
    flat_repeat_ratio: float = QualityLimits().flat_repeat_ratio
    dropout_ratio: float = QualityLimits().dropout_ratio
    bias_step_ratio: float = QualityLimits().bias_step_ratio
    spike_ratio: float = QualityLimits().spike_ratio


class FeaturesConfig(Section):
    """Spans and groups of the features.

    Attributes:
        record_s: Length of a record, whose statistics are the atoms of all features.
        window_s: Length of a window, a whole number of records.
        hop_s: Time from one window to the next, a whole number of records.
        time: Statistics of the waveform: RMS, peak, crest factor, kurtosis and the like.
        spectrum: Welch spectrum and band powers.
        velocity: Velocity RMS by integration (ISO 20816).
        envelope: Envelope spectrum in a demodulation band, for bearings.
        orders: Levels of shaft orders.
        quality: When a record cannot be assessed.
    """

    record_s: float = Field(default=1.0, gt=0.0)
    window_s: float = Field(default=10.0, gt=0.0)
    hop_s: float = Field(default=1.0, gt=0.0)
    time: bool = True
    spectrum: SpectrumConfig = SpectrumConfig()
    velocity: VelocityConfig = VelocityConfig()
    envelope: EnvelopeConfig = EnvelopeConfig()
    orders: OrdersConfig = OrdersConfig()
    quality: QualityConfig = QualityConfig()


def spec_of(signal: SignalConfig, features: FeaturesConfig) -> FeatureSpec:
    """The FeatureSpec of a config; where the demodulation band is not chosen yet, with a stand-in for it.

    Raises:
        SpecError: The spans, bands, rates and machine parts contradict each other.
    """
    spectrum = _spectrum(signal.sampling_rate_hz, features)
    return FeatureSpec(
        sampling_rate_hz=signal.sampling_rate_hz,
        record_s=features.record_s,
        window_s=features.window_s,
        hop_s=features.hop_s,
        channels=tuple(ChannelSpec(channel.name, channel.unit) for channel in signal.channels),
        conditions=signal.conditions,
        shafts=tuple(ShaftSpec(shaft.name, shaft.source, shaft.pulses_per_rev) for shaft in signal.shafts),
        time=TimeGroup(enabled=features.time),
        spectrum=spectrum,
        velocity=VelocityGroup(**features.velocity.model_dump()),
        envelope=_envelope(signal.sampling_rate_hz, features.envelope, spectrum.segment_n),
        orders=_orders(features.orders),
        quality=QualityLimits(**features.quality.model_dump()),
    )


def awaits_band(features: FeaturesConfig) -> bool:
    """Whether the demodulation band is still to be chosen."""
    return features.envelope.enabled and features.envelope.band_hz == AUTO


def with_band(spec: FeatureSpec, band_hz: Band) -> FeatureSpec:
    """The spec with another demodulation band."""
    return replace(spec, envelope=replace(spec.envelope, band_hz=band_hz))


def _spectrum(rate_hz: float, features: FeaturesConfig) -> SpectrumGroup:
    group = features.spectrum
    record_n = round(rate_hz * features.record_s) if is_whole_multiple(features.record_s, 1.0 / rate_hz) else 0
    segment_n = group.segment_n or _filling_segment_n(record_n)
    overlap_n = group.overlap_n if group.segment_n else segment_n // 2
    return SpectrumGroup(
        segment_n=segment_n,
        overlap_n=overlap_n,
        bands_hz=group.bands_hz or _log_bands(rate_hz, segment_n, group.n_bands),
        enabled=group.enabled,
        rolloff=group.rolloff,
        dominant_n=group.dominant_n,
    )


def _filling_segment_n(record_n: int) -> int:
    """The longest segment, at most a fifth of the record, whose half-overlapped copies fill it; 0 if none does."""
    for half_segments in range(2 * _SEGMENTS_PER_RECORD, record_n + 1):
        segment_n, rest = divmod(2 * record_n, half_segments)
        if rest == 0 and segment_n % 2 == 0 and segment_n <= LONGEST_ROW_N:
            return segment_n
    return 0


def _log_bands(rate_hz: float, segment_n: int, n_bands: int) -> tuple[Band, ...]:
    """Log-spaced bands on whole spectral lines, from a few lines above zero to a little below Nyquist."""
    if segment_n == 0:
        return ()
    line_hz = rate_hz / segment_n
    highest = int(_HIGHEST_BAND_SHARE * rate_hz / 2.0 / line_hz)
    # Of slow signals a quarter of the lines may lie below the usual lowest band, not more.
    lowest = max(1, min(round(_LOWEST_BAND_HZ / line_hz), highest // 4))
    if highest <= lowest:
        return ()
    edges = np.unique(np.round(np.geomspace(lowest, highest, n_bands + 1)).astype(int)) * line_hz
    return tuple((float(low), float(high)) for low, high in itertools.pairwise(edges))


def _envelope(rate_hz: float, group: EnvelopeConfig, segment_n: int) -> EnvelopeGroup:
    return EnvelopeGroup(
        enabled=group.enabled,
        band_hz=_stand_in(rate_hz, group, segment_n) if isinstance(group.band_hz, str) else group.band_hz,
        bearings=tuple(BearingSpec(**bearing.model_dump()) for bearing in group.bearings),
        harmonics=group.harmonics,
        tolerance=group.tolerance,
    )


def _stand_in(rate_hz: float, group: EnvelopeConfig, segment_n: int) -> Band:
    if not group.enabled:
        return EnvelopeGroup().band_hz
    # No segment at all is refused with the record that it should fill.
    if 0 < segment_n < FEWEST_AUTO_N:
        raise SpecError(
            f"envelope.band_hz: expected spectrum.segment_n of at least {FEWEST_AUTO_N} samples to choose a band from "
            f"(auto), got {segment_n}; lengthen the segments, or state the band"
        )
    low, high = _STAND_IN_SHARE
    return low * rate_hz / 2.0, high * rate_hz / 2.0


def _orders(group: OrdersConfig) -> OrdersGroup:
    return OrdersGroup(
        enabled=group.enabled,
        shafts=tuple(
            ShaftOrders(
                part.shaft,
                part.orders,
                tuple(Carrier(carrier.order, carrier.sidebands) for carrier in part.carriers),
            )
            for part in group.shafts
        ),
        bands=tuple(OrderBand(band.shaft, band.low, band.high) for band in group.bands),
        max_hz=group.max_hz,
        tolerance=group.tolerance,
    )
