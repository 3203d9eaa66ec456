"""The one YAML config of a detector: what it says, checked before anything runs."""

from __future__ import annotations

import hashlib
import itertools
import json
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from ground.errors import ConfigError
from shared_features.errors import SpecError
from shared_features.spec import (
    LONGEST_ROW_N,
    ChannelSpec,
    FeatureSpec,
    QualityLimits,
    SpectrumGroup,
    TimeGroup,
    is_whole_multiple,
)

SCHEMA = 1
_LOWEST_BAND_HZ = 10.0
_HIGHEST_BAND_SHARE = 0.9
_SEGMENTS_PER_RECORD = 5

Share = Annotated[float, Field(gt=0.0, lt=1.0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ChannelConfig(_Section):
    """One sensor channel and the unit of its samples."""

    name: str
    unit: str


class SignalConfig(_Section):
    """What the recordings hold."""

    sampling_rate_hz: float = Field(gt=0.0)
    channels: tuple[ChannelConfig, ...] = Field(min_length=1)
    conditions: tuple[Literal["n1_hz", "n2_hz"], ...] = ()


class SpectrumConfig(_Section):
    """Welch spectrum; without ``segment_n`` a fifth of a record, without ``bands_hz`` ``n_bands`` log-spaced ones."""

    enabled: bool = True
    segment_n: int = Field(default=0, ge=0)
    overlap_n: int = Field(default=0, ge=0)
    n_bands: int = Field(default=12, ge=1, le=256)
    bands_hz: tuple[tuple[float, float], ...] = ()
    rolloff: Share = 0.85


class QualityConfig(_Section):
    """When a record cannot be assessed; see ``shared_features.spec.QualityLimits``."""

    flat_run_ratio: float = Field(default=0.1, gt=0.0, le=1.0)
    clip_ratio: float = Field(default=0.002, gt=0.0, le=1.0)


class FeaturesConfig(_Section):
    """Spans and groups of the features."""

    record_s: float = Field(default=1.0, gt=0.0)
    window_s: float = Field(default=10.0, gt=0.0)
    hop_s: float = Field(default=1.0, gt=0.0)
    time: bool = True
    spectrum: SpectrumConfig = SpectrumConfig()
    quality: QualityConfig = QualityConfig()


class PreprocessConfig(_Section):
    """Marks, never rewrites: samples stay as the sensor gave them, as they do on board.

    Attributes:
        outlier_sigma: Robust standard deviations from the recording's median level from which a record stands out.
        outlier_max_run_s: Longest run of standing-out records that still counts as outliers; longer ones are a change
            of the machine and stay.
        outlier_max_share: Largest share of a recording that may be left out as outliers; above it nothing is.
        gap_tolerance_s: Time step between samples, beyond the sampling interval, from which there is a gap.
    """

    outlier_sigma: float = Field(default=3.0, ge=2.0)
    outlier_max_run_s: float = Field(default=2.0, ge=0.0)
    outlier_max_share: Share = 0.02
    gap_tolerance_s: float = Field(default=0.01, gt=0.0)


class SplitConfig(_Section):
    """How healthy time is dealt to fit, calibration and test; faulty time always goes to test.

    ``by_unit`` keeps whole units apart. ``by_time`` cuts each recording's healthy time into consecutive parts, for rigs
    of a few specimens: weaker evidence, so such a run makes a development bundle at most.
    """

    strategy: Literal["by_unit", "by_time"] = "by_unit"
    fit: Share = 0.4
    calibration: Share = 0.3
    folds: int = Field(default=5, ge=2)

    @model_validator(mode="after")
    def _leaves_a_test(self) -> Self:
        if self.fit + self.calibration >= 1.0:
            raise ValueError(f"expected fit + calibration < 1, got {self.fit + self.calibration}; leave time for test")
        return self


class ModelConfig(_Section):
    """Which family ships, which run beside it, and how networks are trained."""

    family: Literal["autoencoder", "mahalanobis"] = "mahalanobis"
    baselines: tuple[Literal["autoencoder", "mahalanobis"], ...] = ("mahalanobis", "autoencoder")
    shrinkage: Share = 0.05
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(32, 16), min_length=1)
    bottleneck: int = Field(default=8, ge=1)
    max_epochs: int = Field(default=200, ge=1)
    patience: int = Field(default=20, ge=1)
    batch_size: int = Field(default=256, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0.0)
    validation_share: Share = 0.2
    checkpoint_epochs: int = Field(default=10, ge=1)


class DecisionConfig(_Section):
    """When windows become an alarm, and what the threshold promises.

    Attributes:
        k: Windows above the threshold, out of the last ``n`` assessed ones, that raise an alarm.
        n: Length of that memory.
        release_ratio: Share of the threshold below which all ``n`` windows must fall before an alarm ends.
        false_alarm_rate: Declared upper bound on the share of healthy flights with an alarm.
        confidence: Confidence of that bound.
    """

    k: int = Field(default=3, ge=1)
    n: int = Field(default=5, ge=1)
    release_ratio: Share = 0.9
    false_alarm_rate: Share = 0.05
    confidence: Share = 0.95

    @model_validator(mode="after")
    def _k_of_n(self) -> Self:
        if self.k > self.n:
            raise ValueError(f"expected k <= n, got k={self.k}, n={self.n}; an alarm could never be raised")
        return self


class GatesConfig(_Section):
    """Quality gates; a failed one ends the pipeline without a bundle."""

    auc_min: Share = 0.90
    precision_min: Share = 0.85
    recall_min: Share = 0.85
    false_alarm_rate_max: Share = 0.05
    latency_p99_max_ms: float = Field(default=50.0, gt=0.0)
    confidence: Share = 0.95


class BundleConfig(_Section):
    """What the bundle says about itself."""

    fleet: str = Field(default="default", pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    sequence: int = Field(default=1, ge=0, lt=2**53)
    part_number: str = ""
    min_agent_version: str = Field(default="0.1.0", pattern=r"^\d+\.\d+\.\d+$")
    expires: date | None = None


class Config(_Section):
    """The whole config of one detector.

    Attributes:
        schema_version: Version of this layout (``schema`` in the file).
        detector: Name of the detector; a folder of that name holds its versions.
        ecr: Engineering Change Request that covers this config; a release needs one.
        contract: Data contract (ODCS YAML), relative to the config file; empty takes the packaged one.
        seed: Seeds everything random.
    """

    schema_version: Literal[1] = Field(alias="schema")
    detector: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    ecr: str = ""
    contract: str = ""
    seed: int = Field(default=0, ge=0)
    signal: SignalConfig
    features: FeaturesConfig = FeaturesConfig()
    preprocess: PreprocessConfig = PreprocessConfig()
    split: SplitConfig = SplitConfig()
    model: ModelConfig = ModelConfig()
    decision: DecisionConfig = DecisionConfig()
    gates: GatesConfig = GatesConfig()
    bundle: BundleConfig = BundleConfig()
    _folder: Path = PrivateAttr(default=Path())

    @property
    def folder(self) -> Path:
        """Folder of the config file, which ``contract`` is relative to; the current one for a config made in memory."""
        return self._folder

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.decision.false_alarm_rate > self.gates.false_alarm_rate_max:
            raise ValueError(
                f"gates.false_alarm_rate_max: expected at least decision.false_alarm_rate "
                f"({self.decision.false_alarm_rate}), got {self.gates.false_alarm_rate_max}; "
                "the threshold would promise less than the gate asks"
            )
        try:
            self.feature_spec()
        except (SpecError, ArithmeticError) as error:
            raise ValueError(f"features: {error}") from error
        return self

    @property
    def digest(self) -> str:
        """Lower-case hex sha256 over the config's values, defaults included."""
        document = json.dumps(self.model_dump(mode="json", by_alias=True), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(document.encode()).hexdigest()

    def feature_spec(self) -> FeatureSpec:
        """The FeatureSpec that this config asks for.

        Raises:
            SpecError: The spans, bands and rates contradict each other.
        """
        features = self.features
        return FeatureSpec(
            sampling_rate_hz=self.signal.sampling_rate_hz,
            record_s=features.record_s,
            window_s=features.window_s,
            hop_s=features.hop_s,
            channels=tuple(ChannelSpec(channel.name, channel.unit) for channel in self.signal.channels),
            conditions=self.signal.conditions,
            time=TimeGroup(enabled=features.time),
            spectrum=_spectrum(self.signal.sampling_rate_hz, features),
            quality=QualityLimits(features.quality.flat_run_ratio, features.quality.clip_ratio),
        )


def load_config(path: Path) -> Config:
    """Read and check a config.

    Args:
        path: A YAML file.

    Raises:
        ConfigError: Unreadable, not YAML, an unknown key, a wrong value or a contradiction; the text names file and
            field.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected a readable YAML file, got {error}; check the path") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: expected YAML, got {error}; correct the syntax") from error
    try:
        config = Config.model_validate(document)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(path, detail) for detail in error.errors())) from error
    config._folder = path.parent  # noqa: SLF001 - no part of the config's values, and so of its digest
    return config


def _explain(path: Path, detail: object) -> str:
    info = dict(detail)  # type: ignore[call-overload]
    field = ".".join(str(part) for part in info["loc"]) or "config"
    if info["type"] == "extra_forbidden":
        return f"{path}: {field}: expected a known key, got an unknown one; remove or rename it"
    if info["type"] == "missing":
        return f"{path}: {field}: expected a value, got nothing; add it"
    if info["type"] == "value_error":
        return f"{path}: {field}: {str(info['msg']).removeprefix('Value error, ')}"
    return f"{path}: {field}: {info['msg']}, got {info['input']!r}; correct it"


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
    )


def _filling_segment_n(record_n: int) -> int:
    """The longest segment, at most a fifth of the record, whose half-overlapped copies fill it; 0 if none does."""
    for half_segments in range(2 * _SEGMENTS_PER_RECORD, record_n + 1):
        segment_n, rest = divmod(2 * record_n, half_segments)
        if rest == 0 and segment_n % 2 == 0 and segment_n <= LONGEST_ROW_N:
            return segment_n
    return 0


def _log_bands(rate_hz: float, segment_n: int, n_bands: int) -> tuple[tuple[float, float], ...]:
    """Log-spaced bands on whole spectral lines, from a few lines above zero to a little below Nyquist."""
    if segment_n == 0:
        return ()
    line_hz = rate_hz / segment_n
    highest = int(_HIGHEST_BAND_SHARE * rate_hz / 2.0 / line_hz)
    lowest = max(1, round(_LOWEST_BAND_HZ / line_hz))
    edges = np.unique(np.round(np.geomspace(lowest, highest, n_bands + 1)).astype(int)) * line_hz
    return tuple((float(low), float(high)) for low, high in itertools.pairwise(edges))
