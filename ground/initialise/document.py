"""The config and the contract as YAML, with the reason beside each choice."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from ground.config import ModelConfig
from ground.contract import PACKAGED
from ground.initialise.decision import Dealing
from ground.initialise.groups import Groups
from ground.initialise.layout import Spans
from ground.initialise.selection import Rig
from ground.timeline import RATE_TOLERANCE, SLOW_HZ, SLOW_RATE_TOLERANCE

CONTRACT_NAME = "contract.yaml"
PACKAGED_LIMIT = 10000.0
"""Largest magnitude of a sample that the packaged contract allows."""

_PERCENT = 100
_ROOM = 10.0
_LIMITS = "logicalTypeOptions: {minimum: -10000, maximum: 10000}"
_TOLERANCE = "tolerance_percent: 1}"
_LONGEST_NAME = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Everything that was chosen for a rig."""

    rig: Rig
    spans: Spans
    groups: Groups
    dealing: Dealing
    quality: Mapping[str, float]
    contract: str

    @property
    def healthy_windows(self) -> int:
        """Windows of healthy time."""
        return sum(self.spans.windows(int(n)) for facts in self.rig.healthy for n in facts.healthy_n)


def detector_name(dataset: str) -> str:
    """A name for the detector of a dataset."""
    plain = re.sub(r"[^a-z0-9]+", "_", dataset.lower()).strip("_")
    named = plain if plain[:1].isalpha() else f"rig_{plain}".rstrip("_")
    return f"{named[:_LONGEST_NAME].rstrip('_')}_detector"


def config_yaml(choice: Choice) -> str:
    """The config of a choice."""
    rig, dealing = choice.rig, choice.dealing
    contract = [f"contract: {CONTRACT_NAME}"] if choice.contract else []
    lines = [
        "# Written by `ground init`: what it chose, and why. Correct it, and set ecr before a release.",
        "schema: 1",
        f"detector: {detector_name(rig.dataset)}",
        'ecr: ""',
        *contract,
        "seed: 2025",
        "",
        "signal:",
        f"  sampling_rate_hz: {_number(rig.rate_hz)}",
        "  channels:",
        *(f"    - {{name: {_text(name)}, unit: {_text(unit)}}}" for name, unit in rig.channels),
        f"  conditions: [{', '.join(rig.conditions)}]",
        "",
        *_preprocess(rig),
        *_features(choice),
        "",
        "split:",
        f"  # {_why_split(choice)}",
        f"  strategy: {dealing.plan.strategy}",
        f"  fit: {dealing.plan.fit}",
        f"  calibration: {dealing.plan.calibration}",
        f"  folds: {dealing.folds}",
        "",
        *_model(dealing),
        "# The promise: at most this share of healthy recordings raises an alarm, at this confidence.",
        f"decision: {{k: {dealing.k}, n: {dealing.n}, release_ratio: 0.9, false_alarm_rate: 0.05, confidence: 0.95}}",
    ]
    return "\n".join(lines) + "\n"


def contract_yaml(rig: Rig) -> str:
    """The packaged contract with the limits of this rig; empty where the packaged one fits as it is."""
    packaged = (resources.files("ground") / "configs" / PACKAGED).read_text(encoding="utf-8")
    largest = max(facts.largest for facts in rig.taken)
    text = packaged
    if largest > PACKAGED_LIMIT / _ROOM:
        limit = 10 ** math.ceil(math.log10(largest * _ROOM))
        text = text.replace(_LIMITS, f"logicalTypeOptions: {{minimum: {-limit}, maximum: {limit}}}")
    if rate_error(rig) > RATE_TOLERANCE and rig.rate_hz <= SLOW_HZ:
        text = text.replace(_TOLERANCE, f"tolerance_percent: {round(SLOW_RATE_TOLERANCE * _PERCENT)}}}")
    return "" if text == packaged else text


def rate_error(rig: Rig) -> float:
    """Largest share by which the rate of the stamps is off the stated one."""
    return max(abs(facts.measured_rate_hz / rig.rate_hz - 1.0) for facts in rig.taken)


def _preprocess(rig: Rig) -> list[str]:
    left_out = (*rig.left_out, *rig.unreadable)
    if not left_out:
        return []
    names = [f"    - {_text(name)}  # {reason}" for name, reason in left_out]
    return ["preprocess:", "  leave_out:", *names, ""]


def _features(choice: Choice) -> list[str]:
    spans, groups, rate_hz = choice.spans, choice.groups, choice.rig.rate_hz
    low_hz, high_hz = groups.velocity_hz
    spectrum = "  spectrum: {enabled: false}"
    if groups.n_bands:
        halves = f"segment_n: {spans.segment_n}, overlap_n: {spans.overlap_n}"
        spectrum = f"  spectrum: {{{halves}, n_bands: {groups.n_bands}}}"
    velocity = f"  # No velocity: {groups.why_no_velocity}."
    if high_hz:
        velocity = f"  velocity: {{enabled: true, low_hz: {_number(low_hz)}, high_hz: {_number(high_hz)}}}"
    quality = ", ".join(f"{name}: {_number(value)}" for name, value in choice.quality.items())
    return [
        "features:",
        f"  # {spans.record_n}, {spans.window_n} and {spans.hop_n} samples.",
        f"  record_s: {_seconds(spans.record_n, rate_hz)}",
        f"  window_s: {_seconds(spans.window_n, rate_hz)}",
        f"  hop_s: {_seconds(spans.hop_n, rate_hz)}",
        spectrum,
        velocity,
        *([f"  quality: {{{quality}}}"] if quality else []),
    ]


def _model(dealing: Dealing) -> list[str]:
    share = dealing.plan.validation
    return [] if share == ModelConfig().validation_share else ["model:", f"  validation_share: {share}", ""]


def _why_split(choice: Choice) -> str:
    units = len(choice.rig.healthy_units)
    return f"Specimens that are healthy throughout: {units}."


def _seconds(n: int, rate_hz: float) -> str:
    return _number(n / rate_hz)


def _number(value: float) -> str:
    """The shortest text that YAML reads as this very number: it takes 1e+16 and 1e-05 for texts."""
    text = repr(float(value)).removesuffix(".0")
    mantissa, exponent, power = text.partition("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}e{int(power):+d}" if exponent else text


def _text(value: str) -> str:
    """A text in quotes where YAML might read something else."""
    return value if re.fullmatch(r"[a-z][a-z_0-9]*", value) and value not in _WORDS else json.dumps(value)


_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""What YAML takes for a truth value, or for nothing."""
