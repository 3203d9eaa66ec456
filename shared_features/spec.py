"""FeatureSpec: the frozen contract of what is computed from which samples.

Its canonical JSON has one form, so its sha256 names it: the digest stands in the bundle, in every result and in every
feature table, and code refuses any other.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from shared_features.errors import SpecError
from shared_features.groups import (
    REPORTED,
    UNITS,
    BearingSpec,
    Carrier,
    ChannelSpec,
    EnvelopeGroup,
    OrderBand,
    OrdersGroup,
    QualityLimits,
    ShaftOrders,
    ShaftSpec,
    SpectrumGroup,
    TimeGroup,
    VelocityGroup,
)
from shared_features.parse import from_mapping
from shared_features.spec_checks import CONDITIONS, LONGEST_ROW_N, band_name, check_spec, is_whole_multiple

__all__ = [
    "CONDITIONS",
    "LONGEST_ROW_N",
    "UNITS",
    "BearingSpec",
    "Carrier",
    "ChannelSpec",
    "EnvelopeGroup",
    "FeatureSpec",
    "OrderBand",
    "OrdersGroup",
    "QualityLimits",
    "ShaftOrders",
    "ShaftSpec",
    "SpectrumGroup",
    "TimeGroup",
    "VelocityGroup",
    "band_name",
    "is_whole_multiple",
]

SCHEMA = 2


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
        shafts: Shafts whose rotation the envelope and the orders follow.

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
    shafts: tuple[ShaftSpec, ...] = ()
    time: TimeGroup = field(default_factory=TimeGroup)
    velocity: VelocityGroup = field(default_factory=VelocityGroup)
    envelope: EnvelopeGroup = field(default_factory=EnvelopeGroup)
    orders: OrdersGroup = field(default_factory=OrdersGroup)
    quality: QualityLimits = field(default_factory=QualityLimits)

    def __post_init__(self) -> None:
        check_spec(self)

    @cached_property
    def record_n(self) -> int:
        """Samples of one record, per channel."""
        return round(self.sampling_rate_hz * self.record_s)

    @cached_property
    def window_records(self) -> int:
        """Records of one window."""
        return round(self.window_s / self.record_s)

    @cached_property
    def hop_records(self) -> int:
        """Records between the starts of two windows."""
        return round(self.hop_s / self.record_s)

    @property
    def window_n(self) -> int:
        """Samples of one window, per channel."""
        return self.window_records * self.record_n

    @property
    def line_hz(self) -> float:
        """Distance of two lines of the spectrum's segments."""
        return self.sampling_rate_hz / self.spectrum.segment_n

    @cached_property
    def speeds(self) -> tuple[str, ...]:
        """Names of the speeds that come with the samples: the conditions, then the other reported shafts."""
        reported = (f"{shaft.name}_hz" for shaft in self.shafts if shaft.source == REPORTED)
        return (*self.conditions, *(name for name in reported if name not in self.conditions))

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
