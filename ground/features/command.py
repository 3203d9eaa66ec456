"""The command ``ground features``: list, plot, explain."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console, Group

from ground.commands.options import JsonOption
from ground.errors import ConfigError
from ground.terminal import say_json, waiting

if TYPE_CHECKING:
    from ground.features.source import Source

features_app = typer.Typer(no_args_is_help=True, help="Features: what there are, in one window, in a bundle.")

_WIDE_COLUMNS: Final = 240
"""Into a file or a pipe a row stays a line, so that it can be searched."""

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="YAML config; without any source the packaged example.")
]
SpecOption = Annotated[Path | None, typer.Option("--spec", help="A feature_spec.json.")]
BundleOption = Annotated[
    Path | None, typer.Option("--bundle", help="A .bundle file or a folder of its members; verified first.")
]
KeyOption = Annotated[
    list[Path] | None,
    typer.Option("--key", help="Public key(s) of the bundle; default: keys/public.pem of its workspace."),
]


@features_app.command("list")
def list_(
    config: ConfigOption = None,
    spec: SpecOption = None,
    bundle: BundleOption = None,
    key: KeyOption = None,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Every group on; without a source, those of a made-up turbofan.")
    ] = False,
    as_json: JsonOption = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, named within a channel.")] = False,
) -> None:
    """List the features of a spec: name, unit, scale, formula and source, by group."""
    from ground.features.listing import features_document, features_markdown, features_table, titled
    from ground.features.source import read_listed

    if as_json and markdown:
        raise ConfigError("--json, --markdown: expected one of them, got both; leave one out")
    sourced = read_listed(_source(config, spec, bundle, key), every=every)
    if as_json:
        say_json(features_document(sourced.spec, source=sourced.name, notes=sourced.notes))
        return
    if markdown:
        typer.echo(features_markdown(sourced.spec))
        return
    _print_tables([titled(f"Features of {sourced.name}", features_table(sourced.spec))])
    _tell(sourced.notes)


@features_app.command()
def plot(
    recording: Annotated[str, typer.Argument(help="Id of a recording, or path of a file below a recordings.csv.")],
    at: Annotated[float, typer.Option("--at", help="Moment in the window, s from the recording's start.")],
    *,
    config: ConfigOption = None,
    spec: SpecOption = None,
    bundle: BundleOption = None,
    key: KeyOption = None,
    data: Annotated[Path, typer.Option("--data", help="Folder with recordings.csv.")] = Path("data/raw"),
    channel: Annotated[str, typer.Option("--channel", help="Channel; default: the first, in HTML all.")] = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write: .png, .svg or .html; default: a .png here.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Draw one window: waveform, spectrum with bands and orders, envelope with fault lines, orders."""
    from ground.features.picture import PlotRequest, plot_window
    from ground.features.source import read_source

    request = PlotRequest(recording=recording, data=data, at_s=at, channel=channel, out=out)
    sourced = read_source(_source(config, spec, bundle, key))
    with waiting(f"drawing {recording}"):
        done = plot_window(request, sourced)
    if as_json:
        say_json({**asdict(done), "notes": sourced.notes})
    else:
        _tell([*sourced.notes, *done.lines])


@features_app.command()
def explain(
    bundle: Annotated[Path, typer.Argument(help="A .bundle file or a folder of its members; verified first.")],
    key: KeyOption = None,
    n1_hz: Annotated[float | None, typer.Option("--n1-hz", help="Speed of n1 at which to tell faults.")] = None,
    n2_hz: Annotated[float | None, typer.Option("--n2-hz", help="Speed of n2 at which to tell faults.")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Tell what the model of a bundle listens to: spec, bearings, speeds, healthy ranges, thresholds."""
    from ground.features.explain import explain as explain_bundle
    from ground.features.explain import explanation_document
    from ground.features.explain_tables import explanation_tables
    from ground.features.source import open_bundle

    given_hz = {shaft: _speed(shaft, hz) for shaft, hz in (("n1", n1_hz), ("n2", n2_hz)) if hz is not None}
    explanation = explain_bundle(open_bundle(bundle, tuple(key or ())), given_hz)
    if as_json:
        say_json(explanation_document(explanation))
    else:
        _print_tables(explanation_tables(explanation))


def _source(config: Path | None, spec: Path | None, bundle: Path | None, key: list[Path] | None) -> Source:
    from ground.features.source import Source

    return Source(config=config, spec=spec, bundle=bundle, keys=tuple(key or ()))


def _speed(shaft: str, hz: float) -> float:
    if not 0.0 < hz < math.inf:
        raise ConfigError(f"--{shaft}-hz: expected a positive speed in Hz, got {hz:g}; correct it")
    return hz


def _print_tables(tables: Iterable[Group]) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE_COLUMNS)
    for table in tables:
        console.print(table)
        console.print()


def _tell(lines: Iterable[str]) -> None:
    """Print lines as they are beside the output: paths hold no markup, and are not wrapped."""
    console = Console(stderr=True)
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
