"""FeatureSpec: the frozen contract of what is computed from which samples.

Its canonical JSON has one form, so its sha256 names it: the digest stands in the bundle, in every result and in every
feature table, and code refuses any other.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from shared_features.errors import SpecError
from shared_features.parse import from_mapping

SCHEMA = 1
UNITS = ("g", "m/s2", "mm/s", "V", "A", "bar", "degC", "Hz", "unknown")
CONDITIONS = ("n1_hz", "n2_hz")
TAPERS = ("hann",)
LONGEST_ROW_N = 8192
"""numpy sums rows up to this length in one order in every version since 2.0; longer rows changed order once."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_WHOLE_TOLERANCE = 1e-9
_SHORTEST_SEGMENT_N = 8


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """One sensor channel: its name in frames and files, and the unit of its samples."""

    name: str
    unit: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise SpecError(
                f"channels: expected a name of a-z, 0-9 and _ that starts with a letter, got {self.name!r}; rename it"
            )
        if self.unit not in UNITS:
            raise SpecError(
                f"channels.{self.name}.unit: expected one of {', '.join(UNITS)}, got {self.unit!r}; "
                "state the unit the samples are in"
            )


@dataclass(frozen=True, slots=True)
class TimeGroup:
    """Statistics of the waveform."""

    enabled: bool = True


@dataclass(frozen=True, slots=True)
class SpectrumGroup:
    """Welch spectrum of each record and what is read from it.

    Attributes:
        segment_n: Samples of one Welch segment; 0 takes a fifth of a record, at most 8192.
        overlap_n: Samples that neighbouring segments share; segments and hops must fill the record exactly.
        bands_hz: Half-open bands ``[low, high)`` whose powers are features.
        rolloff: The share of the power that lies below the rolloff frequency.
    """

    segment_n: int
    overlap_n: int
    bands_hz: tuple[tuple[float, float], ...]
    enabled: bool = True
    taper: str = "hann"
    rolloff: float = 0.85


@dataclass(frozen=True, slots=True)
class VelocityGroup:
    """Place of velocity RMS (ISO 20816); refused when enabled, for no code computes it yet."""

    enabled: bool = False
    low_hz: float = 10.0
    high_hz: float = 1000.0


@dataclass(frozen=True, slots=True)
class EnvelopeGroup:
    """Place of the envelope spectrum in a demodulation band; refused when enabled, for no code computes it yet."""

    enabled: bool = False
    band_hz: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class OrdersGroup:
    """Place of shaft orders; refused when enabled, for no code computes it yet."""

    enabled: bool = False
    orders: tuple[float, ...] = (1.0, 2.0, 3.0)


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """When a record cannot be assessed.

    Attributes:
        flat_run_ratio: Longest run of equal samples, as a share of the record, from which the sensor counts as flat.
        clip_ratio: Share of samples that sit side by side on the record's extreme from which it counts as clipped.
    """

    flat_run_ratio: float = 0.1
    clip_ratio: float = 0.002


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """What is computed, from which channels, over which spans.

    Attributes:
        sampling_rate_hz: Samples per second of every channel.
        record_s: Span of one record; ``record_s * sampling_rate_hz`` is a whole number of samples.
        window_s: Analysis span, a whole number of records.
        hop_s: Distance between windows, a whole number of records.
        channels: The channels, in the order of the sample columns.
        conditions: Operating conditions appended to the feature vector, out of ``CONDITIONS``.

    Raises:
        SpecError: The parts contradict each other; the text names the field.
    """

    sampling_rate_hz: float
    record_s: float
    window_s: float
    hop_s: float
    channels: tuple[ChannelSpec, ...]
    spectrum: SpectrumGroup
    conditions: tuple[str, ...] = ()
    time: TimeGroup = field(default_factory=TimeGroup)
    velocity: VelocityGroup = field(default_factory=VelocityGroup)
    envelope: EnvelopeGroup = field(default_factory=EnvelopeGroup)
    orders: OrdersGroup = field(default_factory=OrdersGroup)
    quality: QualityLimits = field(default_factory=QualityLimits)

    def __post_init__(self) -> None:
        _check_spans(self)
        _check_channels(self)
        _check_groups(self)
        if self.spectrum.enabled:
            _check_spectrum(self)
        _check_quality(self.quality)

    @property
    def record_n(self) -> int:
        """Samples of one record, per channel."""
        return round(self.sampling_rate_hz * self.record_s)

    @property
    def window_records(self) -> int:
        """Records of one window."""
        return round(self.window_s / self.record_s)

    @property
    def hop_records(self) -> int:
        """Records between the starts of two windows."""
        return round(self.hop_s / self.record_s)

    @property
    def window_n(self) -> int:
        """Samples of one window, per channel."""
        return self.window_records * self.record_n

    def to_json(self) -> bytes:
        """The canonical JSON: sorted keys, no spaces, ASCII; the same spec gives the same bytes."""
        document = {"schema": SCHEMA, **asdict(self)}
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
        return text.encode("ascii")

    @cached_property
    def digest(self) -> str:
        """Lower-case hex sha256 of the canonical JSON."""
        return hashlib.sha256(self.to_json()).hexdigest()

    @classmethod
    def from_json(cls, data: bytes) -> FeatureSpec:
        """Read a spec back.

        Args:
            data: JSON of exactly the fields that ``to_json`` writes.

        Raises:
            SpecError: Not JSON, another schema, an unknown or missing field, or a spec that is impossible.
        """
        try:
            document = json.loads(data)
        except ValueError as error:
            raise SpecError(f"feature spec: expected JSON, got {error}; use the file the ground exported") from error
        return cls.from_document(document)

    @classmethod
    def from_document(cls, document: Any) -> FeatureSpec:
        """Build a spec from parsed JSON; see ``from_json``."""
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            got = document.get("schema") if isinstance(document, dict) else type(document).__name__
            raise SpecError(f"feature spec.schema: expected {SCHEMA}, got {got!r}; export it again with this version")
        fields = {name: value for name, value in document.items() if name != "schema"}
        return from_mapping(cls, fields, where="feature spec")


def band_name(low_hz: float, high_hz: float) -> str:
    """Name of the feature that holds the power of a band."""
    return f"band_{low_hz:g}_{high_hz:g}_hz"


def is_whole_multiple(value: float, unit: float) -> bool:
    """Whether ``value`` is a positive whole multiple of ``unit``, up to rounding of the decimal input."""
    ratio = value / unit
    return round(ratio) >= 1 and abs(ratio - round(ratio)) <= _WHOLE_TOLERANCE * max(1.0, ratio)


def _check_spans(spec: FeatureSpec) -> None:
    for name in ("sampling_rate_hz", "record_s", "window_s", "hop_s"):
        value = getattr(spec, name)
        if not 0.0 < value < float("inf"):
            raise SpecError(f"{name}: expected a positive number, got {value!r}; state it in its unit")
    if not is_whole_multiple(spec.record_s, 1.0 / spec.sampling_rate_hz):
        raise SpecError(
            f"record_s: expected a whole number of samples, got {spec.record_s * spec.sampling_rate_hz} "
            f"({spec.record_s} s at {spec.sampling_rate_hz} Hz); choose another record_s"
        )
    for name in ("window_s", "hop_s"):
        if not is_whole_multiple(getattr(spec, name), spec.record_s):
            raise SpecError(
                f"{name}: expected a whole number of records of {spec.record_s} s, got {getattr(spec, name)} s; "
                "choose a multiple of record_s"
            )
    if spec.hop_records > spec.window_records:
        raise SpecError(
            f"hop_s: expected at most window_s ({spec.window_s} s), got {spec.hop_s} s; samples would go unheard"
        )


def _check_channels(spec: FeatureSpec) -> None:
    names = [channel.name for channel in spec.channels]
    if not names or len(set(names)) != len(names):
        raise SpecError(f"channels: expected one or more different names, got {names}; name each channel once")
    units = {channel.unit for channel in spec.channels}
    if len(units) != 1:
        raise SpecError(
            f"channels: expected one unit for all, as a frame states one, got {', '.join(sorted(units))}; "
            "make a detector for each unit"
        )
    unknown = [name for name in spec.conditions if name not in CONDITIONS]
    if unknown or len(set(spec.conditions)) != len(spec.conditions):
        raise SpecError(
            f"conditions: expected different ones of {', '.join(CONDITIONS)}, got {list(spec.conditions)}; correct it"
        )


def _check_groups(spec: FeatureSpec) -> None:
    if not (spec.time.enabled or spec.spectrum.enabled):
        raise SpecError("time, spectrum: expected at least one enabled group, got none; enable one")
    for name in ("velocity", "envelope", "orders"):
        if getattr(spec, name).enabled:
            raise SpecError(f"{name}.enabled: expected false in this version, got true; switch the group off")


def _check_spectrum(spec: FeatureSpec) -> None:
    group = spec.spectrum
    if not _SHORTEST_SEGMENT_N <= group.segment_n <= min(spec.record_n, LONGEST_ROW_N):
        raise SpecError(
            f"spectrum.segment_n: expected {_SHORTEST_SEGMENT_N} to {min(spec.record_n, LONGEST_ROW_N)} samples, "
            f"got {group.segment_n}; "
            "a segment lies within one record"
        )
    if not 0 <= group.overlap_n < group.segment_n:
        raise SpecError(
            f"spectrum.overlap_n: expected 0 to {group.segment_n - 1} samples, got {group.overlap_n}; correct it"
        )
    if (spec.record_n - group.segment_n) % (group.segment_n - group.overlap_n) != 0:
        raise SpecError(
            f"spectrum.segment_n: expected segments that fill the record of {spec.record_n} samples exactly, got "
            f"{group.segment_n} with {group.overlap_n} shared; choose divisors of the record"
        )
    if group.taper not in TAPERS:
        raise SpecError(f"spectrum.taper: expected one of {', '.join(TAPERS)}, got {group.taper!r}; correct it")
    if not 0.0 < group.rolloff < 1.0:
        raise SpecError(f"spectrum.rolloff: expected a share between 0 and 1, got {group.rolloff}; correct it")
    _check_bands(spec)


def _check_bands(spec: FeatureSpec) -> None:
    names = [band_name(*band) for band in spec.spectrum.bands_hz]
    if len(set(names)) != len(names):
        raise SpecError(f"spectrum.bands_hz: expected bands that differ to six digits, got {names}; remove the repeats")
    resolution_hz = spec.sampling_rate_hz / spec.spectrum.segment_n
    nyquist_hz = spec.sampling_rate_hz / 2.0
    for low_hz, high_hz in spec.spectrum.bands_hz:
        if not 0.0 <= low_hz < high_hz <= nyquist_hz:
            raise SpecError(
                f"spectrum.bands_hz: expected 0 <= low < high <= {nyquist_hz} Hz (Nyquist), got [{low_hz}, {high_hz}]; "
                "correct the band"
            )
        if high_hz - low_hz < resolution_hz:
            raise SpecError(
                f"spectrum.bands_hz: expected bands of at least one line ({resolution_hz} Hz), got "
                f"[{low_hz}, {high_hz}]; widen it or lengthen segment_n"
            )


def _check_quality(limits: QualityLimits) -> None:
    for name in ("flat_run_ratio", "clip_ratio"):
        if not 0.0 < getattr(limits, name) <= 1.0:
            raise SpecError(f"quality.{name}: expected a share in (0, 1], got {getattr(limits, name)}; correct it")
