"""``metrics.json`` and ``latency.json`` back into what they were written from; parts that are absent come out empty."""

from __future__ import annotations

import dataclasses
import json
import math
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import numpy as np

from edge_agent.errors import AgentError
from edge_agent.layout import METRICS
from edge_agent.thresholds import Thresholds
from ground.errors import DataError
from ground.evidence import Evidence
from ground.evidence_schema import SCHEMA
from ground.run_evidence import LatencyEvidence, RunEvidence
from ground.workspace import LATENCY, Workspace

T = TypeVar("T")

_EMPTY: Mapping[type, Callable[[], Any]] = types.MappingProxyType(
    {float: lambda: math.nan, int: int, str: str, bool: bool, tuple: tuple, dict: dict}
)


def read_run(workspace: Workspace) -> RunEvidence:
    """Read the evidence of a workspace.

    Raises:
        DataError: Not evaluated yet, not records of this schema, or latencies of another evaluation.
    """
    metrics, timed = workspace.evaluation / METRICS, workspace.evaluation / LATENCY
    evidence = record_of(Evidence, _document(metrics), where=str(metrics))
    latency = record_of(LatencyEvidence, _document(timed), where=str(timed))
    if (latency.config_digest, latency.model_digest) != (evidence.config_digest, evidence.model_digest):
        raise DataError(f"{timed}: expected the latencies of {metrics}, got others; run `ground evaluate` again")
    return RunEvidence(evidence, latency)


def record_of(kind: type[T], document: Any, *, where: str = METRICS, schemas: tuple[int, ...] = (SCHEMA,)) -> T:
    """A record out of its parsed JSON.

    Args:
        kind: ``Evidence`` or ``LatencyEvidence``.
        document: The JSON object; null stands for a number that is not known.
        where: The place named in errors.
        schemas: Those that are read.

    Raises:
        DataError: Another schema, or a part of another shape.
    """
    if not isinstance(document, dict) or document.get("schema") not in schemas:
        got = document.get("schema") if isinstance(document, dict) else type(document).__name__
        known = " or ".join(map(str, schemas))
        raise DataError(f"{where}: expected schema {known}, got {got!r}; run `ground evaluate` again")
    try:
        return _revive(kind, document)
    except (TypeError, ValueError, AttributeError, KeyError, AgentError) as error:
        raise DataError(f"{where}: expected an evaluation, got {error}; run `ground evaluate` again") from error


def _document(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: expected the evaluation, got {error}; run `ground evaluate` first") from error


def _revive(cls: type[T], document: Any) -> T:
    hints = get_type_hints(cls)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    return cls(**{field.name: _value(hints[field.name], document.get(field.name)) for field in fields})


def _value(kind: Any, value: Any) -> Any:
    if kind is Thresholds:
        return Thresholds.from_document(value)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _revive(kind, {} if value is None else value)
    origin = get_origin(kind) or kind
    if origin is np.ndarray:
        return np.array(value or [], dtype=np.float64)
    if origin is tuple:
        return _tuple(get_args(kind), value or [])
    if origin not in _EMPTY:  # a mapping
        return dict(value or {})
    return _EMPTY[origin]() if value is None else _typed(origin, value)


def _tuple(kinds: tuple[Any, ...], values: Any) -> tuple[Any, ...]:
    if kinds[-1] is Ellipsis:
        return tuple(_value(kinds[0], value) for value in values)
    return tuple(_value(kind, value) for kind, value in zip(kinds, values, strict=True))


def _typed(kind: type, value: Any) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise TypeError(f"{value!r} where {kind.__name__} belongs")
    return value
