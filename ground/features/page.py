"""One HTML file about one window: its pictures, and its features beside the healthy ones where a bundle tells them."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from jinja2 import Environment, StrictUndefined

from ground.features.curves import ChannelCurves
from ground.features.excerpt import Excerpt
from ground.features.healthy import expected_ranges
from ground.features.listing import TITLES, ListedFeature, listed
from ground.features.plot import circumstances_of, title_of, verdict_of, window_svg
from ground.features.source import SourcedModel, SourcedSpec
from ground.report import words
from ground.report.view import Column

_COLUMNS: Final = (Column("feature"), Column("value", numeric=True), Column("unit"), Column("formula"))
_HEALTHY_COLUMNS: Final = (
    *_COLUMNS[:2],
    Column("expected by the model, ± 1 healthy standard deviation", numeric=True),
    Column("standard deviations off", numeric=True),
    *_COLUMNS[2:],
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPicture:
    """The picture of one channel as a data URI, and the same in words."""

    channel: str
    uri: str
    alt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureGroupTable:
    """The features of one group, ready to print."""

    title: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPage:
    """Everything that the page shows.

    Attributes:
        title: Recording, time, phase.
        circumstances: Speeds and label.
        verdict: Whether the window can be assessed, else why not.
        verdict_class: ``pass`` or ``fail``, for the colour.
        notes: What a reader must know.
        pictures: One a channel.
        columns: Heads of the tables.
        groups: One table a group; none where the window cannot be assessed.
        origin: What computed it.
    """

    title: str
    circumstances: str
    verdict: str
    verdict_class: str
    notes: tuple[str, ...]
    pictures: tuple[WindowPicture, ...]
    columns: tuple[Column, ...]
    groups: tuple[FeatureGroupTable, ...]
    origin: str


def window_page(excerpt: Excerpt, channels: Sequence[ChannelCurves], sourced: SourcedSpec) -> str:
    """The page as HTML that needs nothing else; every text is escaped.

    Args:
        excerpt: The window.
        channels: What its channels show; the table holds the features of all of them.
        sourced: The spec, and the scaler where it is a bundle's.
    """
    names = {channel.channel for channel in channels}
    features = [one for one in listed(excerpt.spec) if words.channel_of(one.name) in names | {""}]
    notes = sourced.notes
    if excerpt.reason:
        notes = (*notes, "The agent answers not_assessed for this window and computes no features of it.")
    page = WindowPage(
        title=title_of(excerpt),
        circumstances=circumstances_of(excerpt),
        verdict=verdict_of(excerpt),
        verdict_class="fail" if excerpt.reason else "pass",
        notes=notes,
        pictures=tuple(_picture(excerpt, channel) for channel in channels),
        columns=_HEALTHY_COLUMNS if sourced.models else _COLUMNS,
        groups=() if excerpt.reason else tuple(_groups(excerpt, features, sourced)),
        origin=f"Features of {sourced.name}, spec {words.digest(excerpt.spec.digest)}; file {excerpt.info.file}.",
    )
    template = (files("ground.features") / "page.html").read_text(encoding="utf-8")
    style = (files("ground.report") / "style.css").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(page=page, style=style)


def _picture(excerpt: Excerpt, channel: ChannelCurves) -> WindowPicture:
    svg = window_svg(excerpt, channel).encode()
    alt = f"Waveform, spectrum, envelope spectrum and orders of {channel.channel}: {circumstances_of(excerpt)}"
    uri = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}"
    return WindowPicture(channel=channel.channel, uri=uri, alt=alt)


def _groups(excerpt: Excerpt, features: Sequence[ListedFeature], sourced: SourcedSpec) -> Iterator[FeatureGroupTable]:
    healthy = [_expected_cells(excerpt, model) for model in sourced.models]
    for group, members in itertools.groupby(features, key=lambda feature: feature.group):
        rows = tuple(_row(one, excerpt, [cells[one.index] for cells in healthy]) for one in members)
        yield FeatureGroupTable(title=TITLES[group], rows=rows)


def _expected_cells(excerpt: Excerpt, model: SourcedModel) -> list[tuple[str, str]]:
    """Of each feature what the model expects of the window, and how far off that it is."""
    reconstruction = model.scorer.score(excerpt.values).reconstruction
    deviations = model.scaler.transform(excerpt.values) - model.scaler.transform(reconstruction)
    pairs = zip(expected_ranges(model.scaler, reconstruction), deviations.tolist(), strict=True)
    return [(f"{words.number(usual.low)} to {words.number(usual.high)}", f"{off:+.1f}") for usual, off in pairs]


def _row(feature: ListedFeature, excerpt: Excerpt, healthy: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    value = words.number(float(excerpt.values[feature.index]))
    return (feature.name, value, *(cell for cells in healthy for cell in cells), feature.unit, feature.formula)
