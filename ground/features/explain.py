"""What the model of a bundle listens to: its spec, its bearings and speeds, its healthy ranges, its thresholds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from edge_agent.bundle import Bundle
from edge_agent.thresholds import Thresholds
from ground.features.healthy import HealthyRange, healthy_ranges
from ground.features.listing import ListedFeature, listed
from ground.features.spec_words import Sentence, spec_sentences
from shared_features.bearing import fault_orders
from shared_features.envelope import EnvelopeMaker
from shared_features.spec import FeatureSpec
from shared_features.speed_limits import speed_limits_hz

HEALTHY_MEAN: Final = "healthy mean"
GIVEN: Final = "given"


@dataclass(frozen=True, slots=True)
class ShaftSpeed:
    """A speed at which fault frequencies are told; ``origin`` is ``given`` or ``healthy mean``."""

    hz: float
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BearingFault:
    """One fault of a bearing.

    Attributes:
        bearing: Name of the bearing.
        shaft: The shaft that turns its inner ring.
        fault: ``bpfo``, ``bpfi``, ``bsf`` or ``ftf``.
        order: Its frequency over the shaft's.
        frequency_hz: At the told speed of the shaft; nothing where none is known.
    """

    bearing: str
    shaft: str
    fault: str
    order: float
    frequency_hz: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedRange:
    """Speeds of a shaft at which a group can be measured; a window outside is not assessed. No end: nothing limits."""

    shaft: str
    group: str
    low_hz: float
    high_hz: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a bundle listens to.

    Attributes:
        bundle: The verified bundle.
        sentences: Its spec in words.
        speeds: The speeds at which fault frequencies are told.
        faults: Of every bearing.
        ranges: Speeds at which the groups can be measured.
        features: The features by group.
        healthy: The healthy range of each, in the order of the vector.
    """

    bundle: Bundle
    sentences: tuple[Sentence, ...]
    speeds: Mapping[str, ShaftSpeed]
    faults: tuple[BearingFault, ...]
    ranges: tuple[SpeedRange, ...]
    features: tuple[ListedFeature, ...]
    healthy: tuple[HealthyRange, ...]


def explain(bundle: Bundle, given_hz: Mapping[str, float]) -> Explanation:
    """Put together what a bundle listens to.

    Args:
        bundle: A verified bundle.
        given_hz: Speeds of shafts; for the others the healthy mean of ``<shaft>_hz`` is taken where it is a feature.
    """
    spec, healthy = bundle.spec, healthy_ranges(bundle.scaler)
    speeds = _speeds(healthy, given_hz)
    return Explanation(
        bundle=bundle,
        sentences=spec_sentences(spec),
        speeds=speeds,
        faults=tuple(_faults(spec, speeds)),
        ranges=tuple(_ranges(spec)),
        features=listed(spec),
        healthy=healthy,
    )


def explanation_document(explanation: Explanation) -> dict[str, Any]:
    """The explanation as plain JSON types."""
    bundle = explanation.bundle
    return {
        "bundle": {"bundle_id": bundle.manifest.bundle_id, "digest": bundle.digest, **asdict(bundle.manifest)},
        "spec": [asdict(sentence) for sentence in explanation.sentences],
        "speeds": {shaft: asdict(speed) for shaft, speed in explanation.speeds.items()},
        "bearing_faults": [asdict(fault) for fault in explanation.faults],
        "speed_ranges": [asdict(one) for one in explanation.ranges],
        "thresholds": bundle.thresholds.to_document(),
        "features": [
            {**asdict(feature), "healthy": _healthy_document(explanation.healthy[feature.index])}
            for feature in explanation.features
        ],
    }


def decision_sentence(thresholds: Thresholds) -> str:
    """When an alarm comes and goes, and what that promises."""
    return (
        f"an alarm is raised when {thresholds.k} of the last {thresholds.n} assessed windows score above the threshold "
        f"of their phase, and ends when all {thresholds.n} fall below {thresholds.release_ratio:.0%} of it; at most "
        f"{thresholds.false_alarm_rate:.1%} of healthy flights raise one, at {thresholds.confidence:.1%} confidence"
    )


def _healthy_document(healthy: HealthyRange) -> dict[str, float]:
    return {"mean": healthy.mean, "low": healthy.low, "high": healthy.high}


def _speeds(healthy: tuple[HealthyRange, ...], given_hz: Mapping[str, float]) -> dict[str, ShaftSpeed]:
    usual = {one.name.removesuffix("_hz"): one.mean for one in healthy if "." not in one.name and one.mean > 0.0}
    speeds = {shaft: ShaftSpeed(hz, HEALTHY_MEAN) for shaft, hz in usual.items()}
    return {**speeds, **{shaft: ShaftSpeed(hz, GIVEN) for shaft, hz in given_hz.items()}}


def _faults(spec: FeatureSpec, speeds: Mapping[str, ShaftSpeed]) -> Iterator[BearingFault]:
    for bearing in spec.envelope.bearings if spec.envelope.enabled else ():
        speed = speeds.get(bearing.shaft)
        for fault, order in fault_orders(bearing)._asdict().items():
            yield BearingFault(
                bearing=bearing.name,
                shaft=bearing.shaft,
                fault=fault,
                order=order,
                frequency_hz=order * speed.hz if speed else None,
            )


def _ranges(spec: FeatureSpec) -> Iterator[SpeedRange]:
    for shaft in spec.shafts:
        low_hz, high_hz = speed_limits_hz(spec, shaft.name)
        if spec.orders.enabled:
            end_hz = high_hz if math.isfinite(high_hz) else None
            yield SpeedRange(shaft=shaft.name, group="orders", low_hz=low_hz, high_hz=end_hz)
        if spec.envelope.enabled:
            yield from _fault_range(spec, shaft.name)


def _fault_range(spec: FeatureSpec, shaft: str) -> Iterator[SpeedRange]:
    """One cycle a record of the slowest fault, and the last line of the envelope spectrum for the fastest."""
    orders = [fault_orders(bearing) for bearing in spec.envelope.bearings if bearing.shaft == shaft]
    if orders:
        lowest, highest = min(map(min, orders)), max(map(max, orders))
        maker = EnvelopeMaker(spec)
        yield SpeedRange(
            shaft=shaft,
            group="envelope",
            low_hz=maker.line_hz / lowest,
            high_hz=(maker.highest_hz - maker.line_hz / 2.0) / highest,
        )
