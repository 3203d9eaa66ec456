"""The text format of Prometheus, version 0.0.4: metric families to text. Pure.

https://prometheus.io/docs/instrumenting/exposition_formats. Of the formats it is the one that every scraper and
node_exporter's textfile collector read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})


class Exposition:
    """Collects samples, and writes them family by family, as the format asks.

    A name has one kind and help, those it came with first; a sample that comes twice counts once, the last one: what is
    written is valid whatever was added.
    """

    def __init__(self) -> None:
        self._heads: dict[str, str] = {}
        self._samples: dict[str, dict[str, float]] = {}

    def add(self, name: str, kind: str, text: str, value: float, labels: Mapping[str, str] = NO_LABELS) -> None:
        """Add a sample of a counter or gauge; values that are no finite numbers are left out."""
        if math.isfinite(value):
            self._family(name, kind, text)[_sample(name, labels)] = value

    def add_states(self, name: str, text: str, *, label: str, known: Sequence[str], now: Sequence[str]) -> None:
        """Add a gauge that is 1 for what holds ``now`` and 0 for the other ``known`` values of ``label``."""
        for value in (*known, *(each for each in now if each not in known)):
            self.add(name, "gauge", text, float(value in now), {label: value})

    def add_histogram(self, name: str, text: str, classes: Mapping[float, int], total: float) -> None:
        """Add a histogram.

        Args:
            name: Its name, in a base unit.
            text: What it tells.
            classes: How many values came up to each bound and not up to the one before; the last bound is infinite.
            total: Sum of all values.
        """
        family, n = self._family(name, "histogram", text), 0
        for bound, count in classes.items():
            n += count
            family[_sample(f"{name}_bucket", {"le": _number(bound)})] = n
        family[f"{name}_sum"] = total
        family[f"{name}_count"] = n

    def text(self) -> str:
        """Everything, a line a sample."""
        return "".join(f"{line}\n" for line in self._lines())

    def _family(self, name: str, kind: str, text: str) -> dict[str, float]:
        if name not in self._heads:
            self._heads[name] = f"# HELP {name} {text.translate(_HELP_ESCAPES)}\n# TYPE {name} {kind}"
        return self._samples.setdefault(name, {})

    def _lines(self) -> Iterator[str]:
        for name, head in self._heads.items():
            yield head
            for sample, value in self._samples[name].items():
                yield f"{sample} {_number(value)}"


def _sample(name: str, labels: Mapping[str, str]) -> str:
    if not labels:
        return name
    pairs = ",".join(f'{label}="{value.translate(_ESCAPES)}"' for label, value in labels.items())
    return f"{name}{{{pairs}}}"


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf"
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))
