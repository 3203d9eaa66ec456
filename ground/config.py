"""The one YAML config of a detector: what it says, checked before anything runs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeVar

import yaml
from pydantic import Field, PrivateAttr, ValidationError, model_validator

from edge_agent.commissioning_policy import MOST_FLIGHTS
from ground.errors import ConfigError
from ground.features_config import FeaturesConfig, Section, Share, SignalConfig, spec_of
from shared_features.errors import SpecError
from shared_features.spec import FeatureSpec

SCHEMA = 1

AnySection = TypeVar("AnySection", bound=Section)

_ROUNDING = 1e-9
AUTO: Final = "auto"
FamilyName = Literal[
    "autoencoder", "ensemble", "flow", "gmm", "knn", "mahalanobis", "mlp", "pca", "svdd"
]  # the rows of ground.models.families.FAMILIES

_OF_SIGNAL = ("sampling_rate_hz", "channels", "conditions", "shafts")
"""Fields of a FeatureSpec that a config states in its section ``signal``, not in ``features``."""


class PreprocessConfig(Section):
    """Marks, never rewrites: samples stay as the sensor gave them, as they do on board.

    Attributes:
        outlier_sigma: Robust standard deviations from the recording's median level from which a record stands out.
        outlier_max_run_s: Longest run of standing-out records that still counts as outliers; longer ones are a change
            of the machine and stay.
        outlier_max_share: Largest share of a recording that may be left out as outliers; above it nothing is.
        gap_tolerance_s: Time step between samples, beyond the sampling interval, from which there is a gap.
        leave_out: Recordings of the folder that this detector does not read: of another rate, say, or broken; by
            ``recording_id`` or ``original_recording_id``.
        selection: Recordings by the reason for which ``ground retrain``, which writes it, took or left them.
    """

    outlier_sigma: float = Field(default=3.0, ge=2.0)
    outlier_max_run_s: float = Field(default=2.0, ge=0.0)
    outlier_max_share: Share = 0.02
    gap_tolerance_s: float = Field(default=0.01, gt=0.0)
    leave_out: tuple[str, ...] = ()
    selection: Mapping[str, int] = {}


class SplitConfig(Section):
    """How healthy time is dealt to fit, calibration and test; faulty time always goes to test.

    ``by_unit`` keeps whole units apart. ``by_time`` cuts each recording's healthy time into consecutive parts, for rigs
    of a few specimens: weaker evidence, so such a run makes a development bundle at most.

    Attributes:
        strategy: ``by_unit`` or ``by_time``, as above.
        fit: Share of the healthy units, or of each recording's healthy time, that models are fitted to.
        calibration: The same for the threshold; what remains is for the test.
        folds: Parts of the cross-validation.
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


class ModelConfig(Section):
    """Which family ships, which run beside it, and how networks are trained.

    Attributes:
        family: The family that ships; docs/reference/models.md describes each.
        baselines: Families that are trained and measured beside it.
        shrinkage: Share of a covariance that is taken from the variances alone; ``auto`` measures what the rows bear.
        explained_variance: Share of the variance that the subspace of ``pca`` holds.
        neighbours: Windows of the memory that ``knn`` takes the mean distance to.
        bank_kib: Most that the memory of ``knn`` may weigh.
        mixture_components: Most parts of ``gmm``.
        hidden: Widths of a network's layers before the bottleneck.
        bottleneck: Width of an autoencoder's bottleneck.
        max_epochs: Most epochs of training.
        patience: Epochs without a better validation loss after which training ends.
        batch_size: Windows of a gradient step.
        learning_rate: Of Adam, at the start.
        validation_share: Share of the fit groups that early stopping looks at.
        checkpoint_epochs: Epochs between two checkpoints, from which ``ground train --resume`` goes on.
        tuning_trials: Trials of ``ground tune`` that these values were chosen from, which writes it; 0: none.
    """

    family: FamilyName = "mahalanobis"
    baselines: tuple[FamilyName, ...] = ("mahalanobis", "autoencoder")
    shrinkage: Literal["auto"] | Share = AUTO
    explained_variance: Share = 0.95
    neighbours: int = Field(default=5, ge=1)
    bank_kib: int = Field(default=128, ge=1)
    mixture_components: int = Field(default=4, ge=1)
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(32, 16), min_length=1)
    bottleneck: int = Field(default=8, ge=1)
    max_epochs: int = Field(default=200, ge=1)
    patience: int = Field(default=20, ge=1)
    batch_size: int = Field(default=256, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0.0)
    validation_share: Share = 0.2
    checkpoint_epochs: int = Field(default=10, ge=1)
    tuning_trials: int = Field(default=0, ge=0)


class DecisionConfig(Section):
    """When windows become an alarm, and what the threshold promises.

    Attributes:
        k: Windows above the threshold, out of the last ``n`` assessed ones, that raise an alarm.
        n: Length of that memory.
        release_ratio: Share of the threshold below which all ``n`` windows must fall before an alarm ends.
        false_alarm_rate: Declared upper bound on the share of healthy flights with an alarm.
        confidence: Confidence of that bound.
        commissioning_flights: Flights from which an agent learns a unit that it does not know; 0: it never does.
    """

    k: int = Field(default=3, ge=1)
    n: int = Field(default=5, ge=1)
    release_ratio: Share = 0.9
    false_alarm_rate: Share = 0.05
    confidence: Share = 0.95
    commissioning_flights: int = Field(default=0, ge=0, le=MOST_FLIGHTS)

    @model_validator(mode="after")
    def _k_of_n(self) -> Self:
        if self.k > self.n:
            raise ValueError(f"expected k <= n, got k={self.k}, n={self.n}; an alarm could never be raised")
        return self


class GatesConfig(Section):
    """Quality gates; a failed one ends the pipeline without a bundle.

    Attributes:
        auc_min: Least area under the ROC curve, over flights.
        precision_min: Least precision, over flights.
        recall_min: Least recall, over flights.
        false_alarm_rate_max: Largest share of healthy flights with an alarm.
        prevalence: Smallest share of faulty flights for which ``precision_min`` is meant. There, the limits on recall
            and false alarms must imply it: precision depends on how common faults are, which a test set does not tell.
        latency_p99_max_ms: Largest 99th percentile of the time from a frame to its result, through the agent's path.
        confidence: Confidence of the bounds that each gate is judged by.
    """

    auc_min: Share = 0.90
    precision_min: Share = 0.85
    recall_min: Share = 0.85
    false_alarm_rate_max: Share = 0.05
    prevalence: Share = 0.25
    latency_p99_max_ms: float = Field(default=50.0, gt=0.0)
    confidence: Share = 0.95

    @property
    def implied_precision(self) -> float:
        """Precision at ``prevalence`` of a detector that just reaches the limits on recall and false alarms (Bayes)."""
        true = self.prevalence * self.recall_min
        return true / (true + (1.0 - self.prevalence) * self.false_alarm_rate_max)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        # Slack for the rounding of limits that agree exactly, as the default ones do.
        if self.precision_min > self.implied_precision + _ROUNDING:
            odds = self.prevalence / (1.0 - self.prevalence)
            bearable = odds * self.recall_min * (1.0 - self.precision_min) / self.precision_min
            raise ValueError(
                f"expected limits that agree, got precision_min {self.precision_min:g} where recall_min and "
                f"false_alarm_rate_max imply {self.implied_precision:.3g} at prevalence {self.prevalence:g}; lower "
                f"false_alarm_rate_max to {bearable:.2g}, lower precision_min, or raise prevalence"
            )
        return self


class BundleConfig(Section):
    """What the bundle says about itself.

    Attributes:
        fleet: The fleet it is for; an agent of another fleet refuses it.
        sequence: Number of the release; an agent takes no lower one than it had.
        epoch: Agents count sequences anew in each epoch of the update repository.
        part_number: As the operator's records have it.
        min_agent_version: Agents before that version refuse it.
        expires: Day from which agents refuse it; never without one.
    """

    fleet: str = Field(default="default", pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    sequence: int = Field(default=1, ge=0, lt=2**53)
    epoch: int = Field(default=0, ge=0, lt=2**53)
    part_number: str = ""
    min_agent_version: str = Field(default="0.1.0", pattern=r"^\d+\.\d+\.\d+$")
    expires: date | None = None


class Config(Section):
    """The whole config of one detector.

    Attributes:
        schema_version: Version of this layout (``schema`` in the file).
        detector: Name of the detector; a folder of that name holds its versions.
        ecr: Engineering Change Request that covers this config; a release needs one.
        contract: Data contract (ODCS YAML), relative to the config file; empty takes the packaged one.
        seed: Seeds everything random.
        signal: What the recordings hold.
        features: What is computed of each window.
        preprocess: What is marked before that.
        split: Which units or times are for what.
        model: What is trained.
        decision: When windows become an alarm.
        gates: What a bundle must reach.
        bundle: What it says about itself.
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
        except SpecError as error:
            raise ValueError(f"{_section(str(error))}.{error}") from error
        except ArithmeticError as error:
            raise ValueError(f"signal.sampling_rate_hz, features: expected usual sizes, got {error}") from error
        return self

    @property
    def digest(self) -> str:
        """Lower-case hex sha256 over the config's values, defaults included."""
        document = json.dumps(self.model_dump(mode="json", by_alias=True), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(document.encode()).hexdigest()

    def feature_spec(self) -> FeatureSpec:
        """The FeatureSpec that this config asks for.

        With ``features.envelope.band_hz: auto`` it holds a stand-in for the demodulation band: right in everything but
        that band, and so in its digest. ``ground.feature_spec.frozen_spec`` gives the one that features are made with.

        Raises:
            SpecError: The spans, bands and rates contradict each other.
        """
        return spec_of(self.signal, self.features)


def load_config(path: Path) -> Config:
    """Read and check a config.

    Args:
        path: A YAML file.

    Raises:
        ConfigError: Unreadable, not YAML, an unknown key, a wrong value or a contradiction; the text names file and
            field.
    """
    config = validated(path, Config)
    config._folder = path.parent  # noqa: SLF001 - no part of the config's values, and so of its digest
    return config


def validated(path: Path, model: type[AnySection]) -> AnySection:
    """Read a YAML file, checked.

    Raises:
        ConfigError: Unreadable, not YAML, an unknown key or a wrong value; the text names file and field.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected a readable YAML file, got {error}; check the path") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: expected YAML, got {error}; correct the syntax") from error
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise ConfigError("\n".join(explained(path, detail) for detail in error.errors())) from error


def explained(path: Path, detail: object) -> str:
    """What pydantic says of a field, as our errors say it."""
    info = dict(detail)  # type: ignore[call-overload]
    field = ".".join(str(part) for part in info["loc"])
    if not field and info["type"] == "value_error":
        return f"{path}: {str(info['msg']).removeprefix('Value error, ')}"
    field = field or "config"
    if info["type"] == "extra_forbidden":
        return f"{path}: {field}: expected a known key, got an unknown one; remove or rename it"
    if info["type"] == "missing":
        return f"{path}: {field}: expected a value, got nothing; add it"
    if info["type"] == "value_error":
        return f"{path}: {field}: {str(info['msg']).removeprefix('Value error, ')}"
    return f"{path}: {field}: {info['msg']}, got {info['input']!r}; correct it"


def _section(text: str) -> str:
    """The section of the config that holds the field which the text of a SpecError begins with."""
    field = re.match(r"\w+", text)
    return "signal" if field and field[0] in _OF_SIGNAL else "features"
