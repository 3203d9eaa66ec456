"""The features of a spec as a table: for the terminal, as JSON, as Markdown."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ground.features.reference import REFERENCE
from shared_features.spec import FeatureSpec
from shared_features.vector import Column, columns_of, groups_of

CONDITIONS: Final = "conditions"
TITLES: Final = {
    "time": "Time domain",
    "spectrum": "Spectrum",
    "velocity": "Velocity",
    "envelope": "Envelope spectrum",
    "orders": "Shaft orders",
    CONDITIONS: "Operating conditions",
}
_MARKDOWN_HEAD = ("feature", "unit", "scale", "formula", "source")
_SHOWN_IN_FULL = 3
"""So many features of one formula in a row; of more, Markdown shows the first and the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFeature:
    """One feature.

    Attributes:
        index: Its place in the feature vector, and in the model's input.
        name: Full name.
        group: Its group's name in the spec; ``conditions`` for an operating condition.
        unit: Unit, 1 for plain numbers.
        scale: ``log`` where the model sees the logarithm, ``linear`` where it sees the value.
        formula: Formula.
        source: Where it is defined.
    """

    index: int
    name: str
    group: str
    unit: str
    scale: str
    formula: str
    source: str


def listed(spec: FeatureSpec) -> tuple[ListedFeature, ...]:
    """The features of a spec by group, in the order of the vector within each."""
    groups = [group.name for group in groups_of(spec) for _ in group.features] * len(spec.channels)
    groups += [CONDITIONS] * len(spec.conditions)
    features = [
        ListedFeature(index=index, group=group, **asdict(column))
        for index, (group, column) in enumerate(zip(groups, columns_of(spec), strict=True))
    ]
    return tuple(sorted(features, key=lambda feature: list(TITLES).index(feature.group)))


def features_document(spec: FeatureSpec, *, source: str, notes: Sequence[str]) -> dict[str, Any]:
    """The features as plain JSON types."""
    return {
        "source": source,
        "notes": list(notes),
        "spec_digest": spec.digest,
        "channels": [asdict(channel) for channel in spec.channels],
        "features": [asdict(feature) for feature in listed(spec)],
    }


def features_table(spec: FeatureSpec) -> Table:
    """The features for the terminal; each group begins with its own row."""
    table = plain_table()
    table.add_column("#", justify="right")
    table.add_column("name", no_wrap=True)
    for name in ("unit", "scale", "formula", "source"):
        table.add_column(name, overflow="fold")
    for group, features in itertools.groupby(listed(spec), key=lambda feature: feature.group):
        members = list(features)
        table.add_section()
        table.add_row("", Text(f"{TITLES[group]} ({len(members)})", "bold"))
        for one in members:
            cells = (str(one.index), one.name, one.unit, one.scale, one.formula, one.source)
            table.add_row(*map(Text, cells))
    return table


def plain_table() -> Table:
    """An empty table without a frame."""
    return Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)


def titled(title: str, table: Table) -> Group:
    """A table below a title, which may be wider than the table."""
    return Group(Text(title, "bold"), table)


def features_markdown(spec: FeatureSpec = REFERENCE) -> str:
    """The features as Markdown, a table a group, named within their channel.

    Channels of one spec have the same features. Of many features that differ in name alone, such as bands, the first
    and the last stand for all.
    """
    parts = []
    for group in groups_of(spec):
        columns = [Column(each.name, each.unit.format(u="u"), *_rest(each)) for each in group.features]
        parts += [f"### {TITLES[group.name]}", "", *_markdown_rows(columns), ""]
    conditions = columns_of(spec)[len(columns_of(spec)) - len(spec.conditions) :]
    if conditions:
        parts += [f"### {TITLES[CONDITIONS]}", "", *_markdown_rows(conditions), ""]
    return "\n".join(parts)


def _rest(feature: Any) -> tuple[str, str, str]:
    return feature.scale, feature.formula, feature.source


def _markdown_rows(columns: Sequence[Column]) -> Iterator[str]:
    yield _markdown_row(_MARKDOWN_HEAD)
    yield _markdown_row(["---"] * len(_MARKDOWN_HEAD))
    for rest, run in itertools.groupby(columns, key=lambda one: (one.unit, one.scale, one.formula, one.source)):
        names = [f"`{column.name}`" for column in run]
        shown = names if len(names) <= _SHOWN_IN_FULL else [f"{names[0]} to {names[-1]} ({len(names)})"]
        yield from (_markdown_row([name, *rest]) for name in shown)


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
