"""``ground shadow``."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from ground.commands.options import JsonOption
from ground.errors import ConfigError, DataError
from ground.exit_code import ExitCode
from ground.terminal import say_json, waiting

if TYPE_CHECKING:
    import pyarrow as pa

    from ground.fleet.collect.kinds import Kind
    from ground.fleet.flight_ends import FlightEnd
    from ground.fleet.shadow_report import Difference, ShadowReport

_SHOWN = 10
_NS_PER_S = 1_000_000_000
_SHORT = 16
_DAY = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")

shadow_app = typer.Typer(no_args_is_help=True, help="Shadows: detectors that look along and decide nothing.")
console = Console(highlight=False, soft_wrap=True, markup=False)
notes = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


@shadow_app.callback()
def _shadow() -> None:
    """Keeps ``report`` a subcommand while it is the only one."""


@shadow_app.command()
def report(
    data: Annotated[Path, typer.Option("--data", help="Dataset that `ground collect` writes.")],
    *,
    bundle: Annotated[str, typer.Option("--bundle", help="The shadow: its id, or the beginning of its digest.")] = "",
    limit: Annotated[float, typer.Option("--limit", min=0.001, max=0.5, help="Extra alarms a flight allowed.")] = 0.05,
    confidence: Annotated[float, typer.Option("--confidence", min=0.5, max=0.999, help="Of the verdict.")] = 0.95,
    since: Annotated[str, typer.Option("--since", help="First day, YYYY-MM-DD.")] = "",
    until: Annotated[str, typer.Option("--until", help="Last day.")] = "",
    quiet: Annotated[
        float, typer.Option("--quiet", min=0.0, help="Hours of silence after which a flight without a summary is over.")
    ] = 24.0,
    out: Annotated[Path | None, typer.Option("--out", help="File for the report as JSON.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a shadow with the detector that decides; exit code 0 when it is ready, 3 when it is not (yet).

    It may be asked for after each flight: the verdict holds at every look at once.
    """
    from ground.fleet.collect.kinds import Kind
    from ground.fleet.shadow_report import Rule, Verdict, compare
    from ground.workspace import write_atomic

    for option, day in (("--since", since), ("--until", until)):
        _check_day(option, day)
    shadow = _chosen(_read(data, Kind.SHADOW, since, until), bundle)
    rule = Rule(limit=limit, confidence=confidence)
    active = _read(data, Kind.RESULT, since, until, sources=_sources(shadow))
    found = compare(active, shadow, rule, ends=_read_ends(data), quiet_h=quiet)
    if out is not None:
        write_atomic(out, f"{json.dumps(found.document(), indent=1, sort_keys=True)}\n".encode())
    if as_json:
        say_json(found.document())
    else:
        _print(found)
    if found.verdict is not Verdict.READY:
        raise typer.Exit(ExitCode.REFUSED)


def _read(data: Path, kind: Kind, since: str, until: str, *, sources: Sequence[str] = ("",)) -> pa.Table:
    """Results of some aircraft, all by default.

    Raises:
        DataError: A file cannot be read: it may hold the alarms that the shadow is judged by.
    """
    import pyarrow as pa

    from ground.fleet.collect.dataset import read_dataset
    from ground.fleet.shadow_report import COLUMNS

    with waiting(f"reading {data}"):
        readings = [
            read_dataset(data, kind, source=source, since=since, until=until, columns=COLUMNS) for source in sources
        ]
    for fault in (fault for reading in readings for fault in reading.skipped):
        raise DataError(
            f"{fault}; a file that nobody can read may hold alarms: leave its day out (--since, --until), or remove it"
        )
    return pa.concat_tables([reading.table for reading in readings])


def _sources(shadow: pa.Table) -> list[str]:
    """The aircraft of a shadow; where it looked nowhere, any one will do, and the comparison says so."""
    return sorted(shadow["aircraft"].unique().to_pylist()) or [""]


def _read_ends(data: Path) -> tuple[FlightEnd, ...]:
    from ground.fleet.collect.dataset import read_dataset
    from ground.fleet.collect.kinds import Kind
    from ground.fleet.flight_ends import read_ends

    reading = read_dataset(data, Kind.FLIGHT, columns=["payload"])
    for fault in reading.skipped:
        notes.print(f"left out: {fault}")
    ends, faults = read_ends(reading.table["payload"].to_pylist())
    if faults:
        notes.print(f"{faults} summaries of flights left out, which are none of this schema")
    return ends


def _chosen(shadow: pa.Table, bundle: str) -> pa.Table:
    import pyarrow.compute as pc

    if not bundle:
        return shadow
    by_id = pc.equal(shadow["bundle_id"], bundle)
    return shadow.filter(pc.or_(by_id, pc.starts_with(shadow["bundle_digest"], bundle)))


def _check_day(option: str, text: str) -> None:
    if text and not _DAY.fullmatch(text):
        raise ConfigError(f"{option}: expected YYYY-MM-DD, got {text!r}; write for example 2026-11-28")


def _print(found: ShadowReport) -> None:
    name, digest = found.shadow
    low, high = found.gained_bounds
    console.print(
        f"shadow {name} ({digest[:_SHORT]}) beside {', '.join(each for each, _ in found.active) or 'nothing'}"
    )
    console.print(
        f"{found.flights} flights of {found.engines} engines seen by both, "
        f"{found.flights_left_out} by too little of one; {found.flights_under_way} under way wait until they are over"
    )
    console.print(
        f"alarms: {found.both} by both, {len(found.gained)} by the shadow alone "
        f"({low:.3f} to {high:.3f} of the flights), {len(found.lost)} by the active detector alone"
    )
    _print_phases(found)
    _print_flights("the shadow alone alarms in", found.gained)
    _print_flights("the active detector alone alarms in", found.lost)
    console.print(f"verdict: {found.verdict.value}{_what_next(found)}")


def _what_next(found: ShadowReport) -> str:
    from ground.fleet.shadow_report import Verdict

    rule = found.rule
    if found.verdict is Verdict.READY:
        lost = "; see what it no longer alarms at" if found.lost else ""
        return f": extra alarms in at most {rule.limit:.1%} of the flights, at {rule.confidence:.1%} confidence{lost}"
    if found.verdict is Verdict.WORSE:
        return f": extra alarms in more than {rule.limit:.1%} of the flights; look at them, do not promote"
    if found.flights_needed:
        return f": {found.flights_needed} flights in all could show it, should extra alarms stay as rare"
    return ": extra alarms are as frequent as may be, or more; look at them"


def _print_phases(found: ShadowReport) -> None:
    kinds = sorted({kind for counts in found.by_phase.values() for kind in counts})
    table = Table("phase", *(kind.replace("_", " ") for kind in kinds), title="windows")
    for phase, counts in found.by_phase.items():
        table.add_row(phase, *(f"{counts.get(kind, 0):,}" for kind in kinds))
    Console().print(table)


def _print_flights(title: str, flights: tuple[Difference, ...]) -> None:
    if not flights:
        return
    table = Table("engine", "flight", "phase", "until", "shadow / threshold", "active / threshold", title=title)
    for each in flights[:_SHOWN]:
        at = datetime.fromtimestamp(each.end_ns / _NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(
            f"{each.aircraft}/{each.engine}", each.flight, each.phase, at,
            f"{each.ratio_shadow:.2f}", f"{each.ratio_active:.2f}",
        )  # fmt: skip
    Console().print(table)
    if len(flights) > _SHOWN:
        console.print(f"and {len(flights) - _SHOWN} more; --out has all")
