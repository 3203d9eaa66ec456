"""The feature groups of a FeatureSpec, each switchable, and the machine parts that they speak of."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from shared_features.errors import SpecError

PROCESS_UNITS = ("bar", "degC", "Hz", "Pa", "kPa", "K", "%", "l/min", "m3/h", "kg/s", "rpm", "W", "kW", "m/s")
"""Units of slow values, which may stand still, jump and peak as no vibration does."""
UNKNOWN_UNIT = "unknown"
"""Of channels whose unit nobody has stated; as a spec's unit it contradicts none."""
UNITS = ("g", "m/s2", "mm/s", "um", "V", "mV", "A", "N", "Nm", *PROCESS_UNITS, UNKNOWN_UNIT)
UNIT_SEPARATOR = ";"
"""Between the units of channels that differ in theirs, as a frame and an index list them."""
SHAFTS = ("n1", "n2")
REPORTED = "reported"
TACH = "tach"
SOURCES = (REPORTED, TACH)

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_LONGEST_CHANNEL = 64


def check_name(name: str, where: str) -> None:
    """Refuse a name that cannot be part of a column name.

    Raises:
        SpecError: It is not a-z, 0-9 and _ from a letter on.
    """
    if not _NAME.fullmatch(name):
        raise SpecError(
            f"{where}: expected a name of a-z, 0-9 and _ that starts with a letter, got {name!r}; rename it"
        )


def check_channel_name(name: str) -> None:
    """Refuse a channel name that cannot stand in a list or a table; the machine's own name is taken as it is.

    Raises:
        SpecError: It is empty, longer than 64 characters, not printable, has ``;`` in it, or a space at an end.
    """
    good = name.isprintable() and name == name.strip() and UNIT_SEPARATOR not in name
    if not good or not 0 < len(name) <= _LONGEST_CHANNEL:
        raise SpecError(
            f"channels: expected names of 1 to {_LONGEST_CHANNEL} printable characters without {UNIT_SEPARATOR}, "
            f"got {name!r}; rename it"
        )


def joined_units(units: tuple[str, ...]) -> str:
    """The units of the channels as one text: one for all where they are equal, else one each with ``;`` between."""
    return units[0] if len(set(units)) == 1 else UNIT_SEPARATOR.join(units)


def fits_unit(expected: str, stated: str) -> bool:
    """Whether samples in the unit ``stated`` are what a channel in ``expected`` asks for.

    A known unit asks for itself: samples of an unknown one may be anything. Who knows none cannot contradict any.
    """
    return expected in (UNKNOWN_UNIT, stated)


def check_choice(value: str, known: tuple[str, ...], where: str) -> None:
    """Refuse a word that is not one of ``known``.

    Raises:
        SpecError: It is another word.
    """
    if value not in known:
        raise SpecError(f"{where}: expected one of {', '.join(known)}, got {value!r}; correct it")


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """One sensor channel: its name in frames and files, and the unit of its samples."""

    name: str
    unit: str

    def __post_init__(self) -> None:
        check_channel_name(self.name)
        check_choice(self.unit, UNITS, f"channels.{self.name}.unit")


@dataclass(frozen=True, slots=True)
class ShaftSpec:
    """One shaft whose rotation features follow.

    Attributes:
        name: Its name in frames and files.
        source: ``reported`` takes the speeds of the frames, ``tach`` their tachometer pulses.
        pulses_per_rev: Pulses a revolution, as a share where the pulse wheel sits behind a gear.
    """

    name: str
    source: str = REPORTED
    pulses_per_rev: float = 1.0

    def __post_init__(self) -> None:
        check_choice(self.name, SHAFTS, "shafts.name")
        check_choice(self.source, SOURCES, f"shafts.{self.name}.source")
        if not 0.0 < self.pulses_per_rev < math.inf:
            raise SpecError(
                f"shafts.{self.name}.pulses_per_rev: expected a positive number, got {self.pulses_per_rev!r}; "
                "count the pulses of one revolution"
            )


@dataclass(frozen=True, slots=True)
class TimeGroup:
    """Statistics of the waveform."""

    enabled: bool = True


@dataclass(frozen=True, slots=True)
class SpectrumGroup:
    """Welch spectrum of each record and what is read from it.

    Attributes:
        segment_n: Samples of one Welch segment, at most 8192.
        overlap_n: Samples that neighbouring segments share; segments and hops must fill the record exactly.
        bands_hz: Half-open bands ``[low, high)`` whose powers are features.
        enabled: Whether its features are in the vector; velocity, envelope and orders are read from the same segments.
        taper: Name of the segments' taper.
        rolloff: The share of the power that lies below the rolloff frequency.
        dominant_n: How many of the strongest spectral lines are features, each with frequency and RMS.
    """

    segment_n: int
    overlap_n: int
    bands_hz: tuple[tuple[float, float], ...]
    enabled: bool = True
    taper: str = "hann"
    rolloff: float = 0.85
    dominant_n: int = 0


@dataclass(frozen=True, slots=True)
class VelocityGroup:
    """Velocity RMS by integration of acceleration, the quantity of ISO 20816-1.

    Attributes:
        enabled: Whether it is in the vector.
        low_hz: Lower end of the band.
        high_hz: Upper end of the band.
    """

    enabled: bool = False
    low_hz: float = 10.0
    high_hz: float = 1000.0


@dataclass(frozen=True, slots=True)
class BearingSpec:
    """Geometry of one rolling bearing whose fault frequencies the envelope is searched for.

    Attributes:
        name: Names its features.
        shaft: The shaft that turns its inner ring.
        n_ball: Rolling elements.
        ball_mm: Diameter of one.
        pitch_mm: Diameter of the circle of their centres.
        contact_deg: Contact angle.
    """

    name: str
    shaft: str
    n_ball: int
    ball_mm: float
    pitch_mm: float
    contact_deg: float = 0.0

    def __post_init__(self) -> None:
        check_name(self.name, "envelope.bearings.name")
        where = f"envelope.bearings.{self.name}"
        check_choice(self.shaft, SHAFTS, f"{where}.shaft")
        if self.n_ball < 2:  # noqa: PLR2004 - one ball carries no shaft
            raise SpecError(f"{where}.n_ball: expected 2 or more rolling elements, got {self.n_ball}; correct it")
        if not 0.0 < self.ball_mm < self.pitch_mm < math.inf:
            raise SpecError(
                f"{where}.ball_mm: expected 0 < ball_mm < pitch_mm, got {self.ball_mm} and {self.pitch_mm}; "
                "take both from the bearing's data sheet"
            )
        if self.n_ball * self.ball_mm > math.pi * self.pitch_mm:
            raise SpecError(
                f"{where}.n_ball: expected rolling elements that fit on the pitch circle "
                f"({math.pi * self.pitch_mm:.4g} mm), got {self.n_ball} of {self.ball_mm} mm; correct the geometry"
            )
        if not 0.0 <= self.contact_deg < 90.0:  # noqa: PLR2004 - a right angle carries no radial load
            raise SpecError(f"{where}.contact_deg: expected 0 to below 90 degrees, got {self.contact_deg}; correct it")


@dataclass(frozen=True, slots=True)
class EnvelopeGroup:
    """Spectrum of the squared envelope in a demodulation band.

    Attributes:
        enabled: Whether it is in the vector.
        band_hz: The demodulation band ``[low, high)``: a resonance that impacts excite.
        bearings: Bearings whose fault frequencies are searched.
        harmonics: Harmonics of each fault frequency that are summed.
        tolerance: Share of a fault frequency that is summed on either side of it, for slip.
    """

    enabled: bool = False
    band_hz: tuple[float, float] = (0.0, 0.0)
    bearings: tuple[BearingSpec, ...] = ()
    harmonics: int = 3
    tolerance: float = 0.02


@dataclass(frozen=True, slots=True)
class OrderBand:
    """Power between two orders ``[low, high)`` of a shaft."""

    shaft: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Carrier:
    """A high order that the shaft modulates (gear mesh, blade passing), and how many sidebands on each side count."""

    order: float
    sidebands: int = 2


@dataclass(frozen=True, slots=True)
class ShaftOrders:
    """Orders of one shaft: multiples of its speed whose levels are features."""

    shaft: str
    orders: tuple[float, ...] = (0.5, 1.0, 2.0, 3.0)
    carriers: tuple[Carrier, ...] = ()


@dataclass(frozen=True, slots=True)
class OrdersGroup:
    """Levels of shaft orders, followed through changes of speed.

    Attributes:
        enabled: Whether it is in the vector.
        shafts: Orders and carriers of each shaft.
        bands: Welch powers between two orders.
        max_hz: Highest frequency an order of ``shafts[].orders`` may reach; an order above it is not assessed.
        tolerance: Share of an order's frequency that is summed on either side of it, for errors of reported speeds.
    """

    enabled: bool = False
    shafts: tuple[ShaftOrders, ...] = ()
    bands: tuple[OrderBand, ...] = ()
    max_hz: float = 0.0
    tolerance: float = 0.01


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """When a record cannot be assessed; see ``quality``.

    Attributes:
        flat_run_ratio: Longest run of equal samples, as a share of the record, from which the sensor counts as flat.
        clip_ratio: Share of samples that sit on an extreme which cuts the signal off, from which it counts as clipped;
            as many must repeat the sample before them.
        tach_gap_ratio: By which share an interval between tachometer pulses may exceed the one beside it.
        flat_repeat_ratio: Share of samples that repeat the one before, with two or three values in all, from which the
            sensor counts as flat: a dead input flickers.
        dropout_ratio: Longest run of equal samples, as a share of the record, from which a shorter run is a dropout.
        bias_step_ratio: Height of a step of the mean, in standard deviations about its levels, from which it counts.
        spike_ratio: Height of the highest peak, in standard deviations of the record, from which it is looked at.

    Raises:
        SpecError: A share is outside (0, 1], or a height is not a positive number.
    """

    flat_run_ratio: float = 0.1
    clip_ratio: float = 0.002
    tach_gap_ratio: float = 0.5
    flat_repeat_ratio: float = 0.9
    dropout_ratio: float = 0.005
    bias_step_ratio: float = 1.0
    spike_ratio: float = 8.0

    def __post_init__(self) -> None:
        for name in ("flat_repeat_ratio", "dropout_ratio"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise SpecError(f"quality.{name}: expected a share in (0, 1], got {getattr(self, name)}; correct it")
        for name in ("bias_step_ratio", "spike_ratio"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise SpecError(f"quality.{name}: expected a positive number, got {getattr(self, name)}; correct it")
