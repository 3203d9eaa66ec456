"""The cells of one row of an index, each read as what it should be."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from edge_agent.wire import MAX_TEXT
from ground.errors import DataError
from shared_features.groups import UNITS, UNKNOWN_UNIT

HEALTHY = "healthy"
FAULTY = "faulty"
RUN_TO_FAILURE = "run_to_failure"
MIXED = "mixed"
LABELS = (HEALTHY, FAULTY, RUN_TO_FAILURE, MIXED)

PARQUET = ".parquet"
CSV = ".csv"

_SECONDS_PER_MINUTE = 60.0
_LIST_SEPARATOR = ";"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
_WHOLE = re.compile(r"[0-9]{1,19}")
_BEYOND_WHOLE = 2**63
_SPAN = re.compile(r"([0-9]{1,9}):([0-9]{1,9})")
_TOPIC_SIGNS = frozenset("/+#")
_WHOLE_AS_FLOAT = re.compile(r"([0-9]{1,19})\.0*")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_STEM = 80
_DIGEST_N = 8

ORIGINALS = {"recording_id": "original_recording_id", "unit_id": "original_unit_id"}
"""Columns that carry a name along which ``plain_row`` replaced."""

_SPELLINGS = {
    "g": ("gn", "g-force"),
    "m/s2": ("m/s^2", "m/s²", "m/s**2", "m/sec2", "m/sec^2", "ms-2", "m s-2"),
    "mm/s": ("mm/sec",),
    "um": ("µm", "μm", "micron", "microns"),
    "V": ("volt", "volts"),
    "A": ("amp", "amps", "ampere", "amperes"),
    "degC": ("°c", "c", "deg c", "celsius", "ºc"),
    "Hz": ("hertz",),
    "rpm": ("1/min", "min-1", "r/min"),
    "l/min": ("lpm", "litre/min", "liter/min"),
    "%": ("percent",),
    "W": ("watt", "watts"),
    "K": ("kelvin",),
    "Nm": ("n m", "n*m", "n.m"),
    "bar": ("bars",),
}
_PLAIN = {word: unit for unit, words in _SPELLINGS.items() for word in (unit.lower(), *words)}


def unit_of(text: str) -> str:
    """The known unit that a text spells; ``unknown`` for any other."""
    return text if text in UNITS else _PLAIN.get(text.lower(), UNKNOWN_UNIT)


def names_of(text: str) -> tuple[str, ...]:
    """The names in a cell that lists some."""
    return tuple(part.strip() for part in text.split(_LIST_SEPARATOR))


def units_of(text: str, n_channel: int) -> tuple[str, ...]:
    """One unit a channel out of a cell of units; nothing where their number fits neither one nor ``n_channel``.

    Text outside ``shared_features.spec.UNITS``, a remark with ``;`` included, says that the unit is not known.
    """
    parts = names_of(text)
    if len(parts) == n_channel:
        return tuple(map(unit_of, parts))
    if len(parts) > 1 and UNKNOWN_UNIT not in map(unit_of, parts):
        return ()
    return (unit_of(parts[0]) if len(parts) == 1 else UNKNOWN_UNIT,) * n_channel


def plain_row(row: Mapping[str, str]) -> dict[str, str]:
    """A row as other people write it, in the words of the layout.

    Whole numbers may end in ``.0``, a speed or period of 0 is not known, and names that are no file's or no topic's
    become such: what they were stands in the columns of ``ORIGINALS``.
    """
    plain = dict(row)
    for column in {"start_ns", "n_samples", "n_segments"} & row.keys():
        if match := _WHOLE_AS_FLOAT.fullmatch(row[column]):
            plain[column] = match[1]
    for column in {"speed_rpm", "segment_period_s", "segment_s"} & row.keys():
        if _is_zero(row[column]):
            plain[column] = ""
    plain["recording_id"] = row["recording_id"] if _ID.fullmatch(row["recording_id"]) else _safe(row["recording_id"])
    for column in {"unit_id", "aircraft", "engine", "flight"} & row.keys():
        plain[column] = topic_name(row[column])
    for column, original in ORIGINALS.items():
        if plain[column] != row[column]:
            plain[original] = row[column]
    return plain


def topic_name(text: str) -> str:
    """The text where it can be part of a topic, else a name that can."""
    return text if _is_identity(text) else _safe(text)


def _safe(text: str) -> str:
    """A name for a file and a topic; by the digest in it, different texts have different ones."""
    if not text:
        return ""
    stem = _UNSAFE.sub("_", text).strip("._-")[:_LONGEST_STEM]
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_N]
    return f"{stem}-{digest}" if stem else digest


def _is_identity(text: str) -> bool:
    return 0 < len(text) <= MAX_TEXT and text.isprintable() and not _TOPIC_SIGNS.intersection(text)


def _is_zero(text: str) -> bool:
    try:
        return float(text) == 0.0
    except ValueError:
        return False


class Cells:
    """The cells of one row; ``where`` names the row in errors."""

    def __init__(self, row: Mapping[str, str], where: str) -> None:
        self._row = row
        self._where = where

    def text(self, column: str) -> str:
        """Free text; empty where the index has no such column."""
        return self._row.get(column, "")

    def recording_id(self) -> str:
        """A name that can be a file's."""
        value = self.text("recording_id")
        if not _ID.fullmatch(value):
            raise self._wrong("recording_id", "1 to 120 of A-Z, a-z, 0-9, . _ -, as in a file name", "rename it")
        return value

    def file(self) -> str:
        """A path that stays inside the folder."""
        value = self.text("file")
        path = PurePosixPath(value)
        inside = bool(value) and not path.is_absolute() and ".." not in path.parts and "\\" not in value
        if not inside or path.suffix.lower() not in {PARQUET, CSV}:
            raise self._wrong("file", "a relative path to a .parquet or .csv inside the folder", "correct it")
        return value

    def identity(self, column: str) -> str:
        """A name that can be part of a topic."""
        value = self.text(column)
        if not _is_identity(value):
            raise self._wrong(column, f"1 to {MAX_TEXT} characters without / + #", "rename it")
        return value

    def names(self, column: str) -> tuple[str, ...]:
        """Different names, at least one."""
        values = names_of(self.text(column))
        if not all(values) or len(set(values)) != len(values):
            raise self._wrong(column, "different column names with ; between them", "correct it")
        return values

    def units(self, n_channel: int) -> tuple[str, ...]:
        """One unit a channel."""
        units = units_of(self.text("signal_units"), n_channel)
        if not units:
            raise self._wrong("signal_units", f"one unit for all or {n_channel}, one a channel", "correct it")
        return units

    def label(self) -> str:
        """One of ``LABELS``."""
        value = self.text("label")
        if value not in LABELS:
            raise self._wrong("label", f"one of {', '.join(LABELS)}", "correct it")
        return value

    def whole(self, column: str) -> int:
        """A whole number from 0 on; 0 where the cell is empty."""
        value = self.text(column)
        if not value:
            return 0
        if not _WHOLE.fullmatch(value) or int(value) >= _BEYOND_WHOLE:
            raise self._wrong(column, "a whole number from 0 to 2^63", "correct it or leave it empty")
        return int(value)

    def positive(self, column: str) -> float:
        """A positive number."""
        try:
            value = float(self.text(column))
        except ValueError:
            value = math.nan
        if not 0.0 < value < math.inf:
            raise self._wrong(column, "a positive number", "correct it")
        return value

    def optional_positive(self, column: str) -> float:
        """A positive number; 0 where the cell is empty."""
        return self.positive(column) if self.text(column) else 0.0

    def speeds(self) -> dict[str, float]:
        """The nominal speed of the one shaft of a rig."""
        return {"n1": self.positive("speed_rpm") / _SECONDS_PER_MINUTE} if self.text("speed_rpm") else {}

    def spans(self, column: str) -> tuple[tuple[int, int], ...]:
        """Half-open spans of segment numbers."""
        value = self.text(column)
        matches = [_SPAN.fullmatch(part.strip()) for part in value.split(_LIST_SEPARATOR)] if value else []
        spans = tuple((int(match[1]), int(match[2])) for match in matches if match)
        if len(spans) != len(matches) or not all(first < last for first, last in spans):
            raise self._wrong(column, "half-open spans a:b with a < b and ; between them", "correct it")
        return spans

    def faulty_spans(self) -> tuple[tuple[int, int], ...]:
        """The faulty spans, apart from the healthy ones."""
        faulty, healthy = self.spans("faulty_segments"), self.spans("healthy_segments")
        if any(first < end and start < last for first, last in faulty for start, end in healthy):
            raise self._wrong("faulty_segments", f"spans apart from healthy_segments {healthy}", "correct one of them")
        return faulty

    def _wrong(self, column: str, expected: str, advice: str) -> DataError:
        return DataError(f"{self._where}: {column}: expected {expected}, got {self.text(column)!r:.120}; {advice}")
