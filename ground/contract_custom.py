"""The contract's own checks (quality of type custom, engine enginear): against config, index and other rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from open_data_contract_standard.model import DataQuality

from ground.config import Config
from ground.contract_rule import Rule, broken, numbers
from ground.errors import ContractError, DataError
from ground.index_cells import MIXED, RUN_TO_FAILURE, names_of, units_of
from ground.recording_files import SEGMENT, TIME, SampleFile
from ground.recording_index import RecordingInfo
from ground.stated_samples import is_rate
from ground.synchronise import clock_of, segments_of
from ground.tach import rising_edges
from ground.timeline import (
    RATE_TOLERANCE,
    order_error,
    overlap_error,
    rate_error,
    segment_error,
    segment_timeline,
)
from shared_features.groups import TACH, fits_unit

ENGINE = "enginear"
_NAME_KEY = "check"
_TOLERANCE_KEY = "tolerance_percent"
_PERCENT = 100.0


@dataclass(frozen=True, slots=True)
class IndexContext:
    """What checks of the index compare with."""

    config: Config


@dataclass(frozen=True, slots=True)
class SamplesContext:
    """What checks of one sample file compare with."""

    config: Config
    info: RecordingInfo
    file: SampleFile


@dataclass(frozen=True, slots=True)
class CustomCheck:
    """One custom check as the contract states it.

    Attributes:
        name: Names it in the report.
        check: Which check; a key of ``INDEX_CHECKS`` or ``SAMPLE_CHECKS``.
        tolerance: Share that it may be off; only ``measured_rate`` has one.
    """

    name: str
    check: str
    tolerance: float


def custom_check(part: DataQuality, known: Mapping[str, Any], where: str) -> CustomCheck:
    """Read a custom check.

    Raises:
        ContractError: For another engine, of an unknown name, or with unknown arguments.
    """
    if part.engine != ENGINE:
        raise ContractError(
            f"{where}.engine: expected {ENGINE}, got {part.engine!r}; it would not be checked: remove it"
        )
    stated = part.implementation
    arguments = dict(stated) if isinstance(stated, dict) else {_NAME_KEY: stated}
    check = arguments.pop(_NAME_KEY, "")
    if check not in known:
        raise ContractError(f"{where}.implementation: expected one of {', '.join(known)}, got {check!r}; correct it")
    tolerance = arguments.pop(_TOLERANCE_KEY, RATE_TOLERANCE * _PERCENT)
    if arguments or isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or tolerance <= 0:
        raise ContractError(f"{where}.implementation: expected {_TOLERANCE_KEY} > 0 at most, got {stated}; correct it")
    return CustomCheck(part.name or str(check), str(check), tolerance / _PERCENT)


def _configured_rate(check: CustomCheck, context: IndexContext) -> Rule:
    rate_hz = context.config.signal.sampling_rate_hz
    return Rule(
        check.name,
        f"{rate_hz:g} Hz, as signal.sampling_rate_hz of the config",
        "leave these recordings out, or set signal.sampling_rate_hz to the rate they have",
        partial(_find_other_rate, rate_hz),
    )


def _find_other_rate(rate_hz: float, column: pd.Series) -> str:
    return broken(column, numbers(column) != rate_hz)


def _configured_channels(check: CustomCheck, context: IndexContext) -> Rule:
    names = [channel.name for channel in context.config.signal.channels]
    return Rule(
        check.name,
        f"{', '.join(names)} among the channels, as signal.channels of the config",
        "name the channels as the recordings do, or leave these recordings out",
        partial(_find_lacking, frozenset(names)),
    )


def _find_lacking(names: frozenset[str], column: pd.Series) -> str:
    return broken(column, np.array([not names <= set(names_of(str(cell))) for cell in column], dtype=np.bool_))


def _configured_units(check: CustomCheck, context: IndexContext) -> Rule:
    channels = context.config.signal.channels
    stated = ", ".join(f"{channel.name} in {channel.unit}" for channel in channels)
    return Rule(
        check.name,
        f"{stated}, as signal.channels of the config",
        "set the unit in the config to the one of the recordings, or convert these",
        partial(_find_other_unit, {channel.name: channel.unit for channel in channels}),
    )


def _find_other_unit(expected: Mapping[str, str], table: pd.DataFrame) -> str:
    cells = zip(table["channels"], table["signal_units"].fillna(""), strict=True)
    wrong = [not _units_fit(expected, names_of(str(names)), str(units)) for names, units in cells]
    return broken(table["signal_units"], np.array(wrong, dtype=np.bool_))


def _units_fit(expected: Mapping[str, str], names: tuple[str, ...], text: str) -> bool:
    units = dict(zip(names, units_of(text, len(names)), strict=False))
    return all(fits_unit(unit, units[name]) for name, unit in expected.items() if name in units)


def _stated_n_samples(check: CustomCheck, context: SamplesContext) -> Rule:
    stated_n = context.info.n_samples
    return Rule(
        check.name,
        f"{stated_n} samples, as n_samples of the index",
        "export or copy the file again",
        partial(_find_other_count, stated_n),
        skip="" if stated_n else "the index states no n_samples",
    )


def _find_other_count(stated_n: int, table: pd.DataFrame) -> str:
    return "" if len(table) == stated_n else f"{len(table)}"


def _stated_rate(check: CustomCheck, context: SamplesContext) -> Rule:
    return Rule(
        check.name,
        f"{context.info.sampling_rate_hz:.12g} Hz, as sampling_rate_hz of the index",
        "correct the one that is wrong",
        partial(_find_other_stated_rate, context.file.stated_rate, context.info.sampling_rate_hz),
        skip="" if context.file.stated_rate else "the file states no rate",
    )


def _find_other_stated_rate(stated: str, rate_hz: float, table: pd.DataFrame) -> str:
    del table
    return "" if is_rate(stated, rate_hz) else f"{stated!r:.40} in the file's metadata"


def _increasing(check: CustomCheck, context: SamplesContext) -> Rule:
    return Rule(
        check.name,
        "seconds that increase from row to row",
        "sort the rows or repair the recorder's clock",
        partial(_find_order, context),
    )


def _find_order(context: SamplesContext, column: pd.Series) -> str:
    return order_error(numbers(column).astype(np.float64), _borders(context, len(column)))


def _borders(context: SamplesContext, n: int) -> NDArray[np.bool_]:
    """(n - 1,) where a border of segments lies between two samples."""
    if n == 0:  # nothing can be counted out: another check says so
        return np.zeros(0, dtype=np.bool_)
    try:
        segment = _segments(context, n)
    except DataError:
        # Segments that the file does not hold are refused when it is synchronised; until then they may lie anywhere.
        return np.ones(n - 1, dtype=np.bool_)
    borders: NDArray[np.bool_] = np.diff(segment) != 0
    return borders


def _segments(context: SamplesContext, n: int) -> NDArray[np.generic]:
    """The segment number of each of ``n`` samples; what the column holds is for its own checks to judge."""
    if context.file.has(SEGMENT):
        return numbers(context.file.table.column(SEGMENT).to_pandas())
    return segments_of(context.info, context.file) if context.info.counts_segments else np.zeros(n, dtype=np.int8)


def _measured_rate(check: CustomCheck, context: SamplesContext) -> Rule:
    clock = clock_of(context.info, context.config.preprocess.gap_tolerance_s)
    return Rule(
        check.name,
        f"steps of a rate within {check.tolerance * _PERCENT:g} % of {clock.rate_hz:g} Hz, as in the index",
        "correct sampling_rate_hz of the index, or the stamps",
        lambda column: rate_error(numbers(column).astype(np.float64), clock, check.tolerance),
    )


def _not_going_back(check: CustomCheck, context: SamplesContext) -> Rule:
    del context
    return Rule(
        check.name,
        "numbers from 0 on that never go back",
        "sort the rows or number the segments in the order of time",
        lambda column: segment_error(numbers(column)),
    )


def _segments_apart(check: CustomCheck, context: SamplesContext) -> Rule:
    return Rule(
        check.name,
        "segments that end before the next begins, by segment_period_s of the index",
        "correct segment_period_s",
        partial(_find_overlap, context),
        skip="time_s says when they begin" if context.file.has(TIME) else "",
    )


def _find_overlap(context: SamplesContext, column: pd.Series) -> str:
    segment = numbers(column)
    if not segment.size or not np.isfinite(segment).all():
        return ""
    clock = clock_of(context.info, context.config.preprocess.gap_tolerance_s)
    timeline = segment_timeline(segment, clock)
    return overlap_error(timeline.first_n, timeline.start_ns, clock.rate_hz)


def _has_pulses(check: CustomCheck, context: SamplesContext) -> Rule:
    del context
    return Rule(
        check.name,
        "a level that rises above 0.5 at each pulse",
        "write 1 where a pulse begins, else 0, or leave the column out",
        lambda column: "" if rising_edges(numbers(column)).size else f"none in {len(column)} samples",
    )


INDEX_CHECKS: Mapping[str, Callable[[CustomCheck, IndexContext], Rule]] = {
    "configured_rate": _configured_rate,
    "configured_channels": _configured_channels,
    "configured_units": _configured_units,
}
SAMPLE_CHECKS: Mapping[str, Callable[[CustomCheck, SamplesContext], Rule]] = {
    "stated_n_samples": _stated_n_samples,
    "stated_rate": _stated_rate,
    "increasing": _increasing,
    "measured_rate": _measured_rate,
    "not_going_back": _not_going_back,
    "segments_apart": _segments_apart,
    "has_pulses": _has_pulses,
}

ALWAYS = "always"
_OPTIONAL = "optional"
_CONDITION = "configured_condition"
_TACH = "configured_tach"
PRESENCES = (ALWAYS, _OPTIONAL, _CONDITION, _TACH, "labelled_by_segment", "labelled_by_sample")


def needed_in_index(presence: str) -> bool:
    """Whether a column of that presence must be in the index."""
    return presence == ALWAYS


def needed_in_samples(presence: str, column: str, context: SamplesContext) -> bool:
    """Whether a column of that presence must be in a sample file."""
    info = context.info
    spec = context.config.feature_spec()
    if presence == _CONDITION:
        return column in spec.speeds and column.removesuffix("_hz") not in info.speed_hz
    if presence == _TACH:
        return column in [f"tach_{shaft.name}" for shaft in spec.shafts if shaft.source == TACH]
    if presence in {ALWAYS, _OPTIONAL}:
        return presence == ALWAYS
    if info.counts_segments and presence == "labelled_by_segment":
        return False
    return info.label == {"labelled_by_segment": RUN_TO_FAILURE, "labelled_by_sample": MIXED}[presence]
