"""``ground verdict``: what people say of alerts."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from edge_agent.output import printable
from ground.commands.options import JsonOption
from ground.fleet.verdicts import VERDICTS_FILE, Verdict, open_verdicts
from ground.terminal import say, say_json

if TYPE_CHECKING:
    from ground.fleet.alerts import Alert
    from ground.fleet.verdicts import Entry, Verdicts

_NS_PER_S = 1_000_000_000
_UNDECIDED = "none yet"

verdict_app = typer.Typer(no_args_is_help=True, help="Verdicts of people on alerts; retraining goes by them.")
console = Console(highlight=False, soft_wrap=True, markup=False)

DataOption = Annotated[Path, typer.Option("--data", help="Dataset that `ground collect` writes.")]
VerdictsOption = Annotated[
    Path | None, typer.Option("--verdicts", help=f"File of the verdicts; default: {VERDICTS_FILE} in the dataset.")
]


@verdict_app.command("list")
def list_(
    data: DataOption,
    *,
    verdicts: VerdictsOption = None,
    undecided: Annotated[bool, typer.Option("--open", help="Only those without a final verdict.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the alerts of a dataset, each with the verdict that rules."""
    latest = _store(data, verdicts).latest()
    listed = [(alert, latest.get(alert.key)) for alert in _alerts(data)]
    chosen = [(alert, entry) for alert, entry in listed if not undecided or _is_open(entry)]
    if as_json:
        say_json({"alerts": [_document(alert, entry) for alert, entry in chosen]})
        return
    for alert, entry in chosen:
        console.print(_line(alert, entry))


@verdict_app.command("set")
def set_(
    alert: Annotated[str, typer.Argument(help="Id of the alert, or its first digits; `ground verdict list` shows it.")],
    verdict: Annotated[Verdict, typer.Argument(help="What it was.")],
    data: DataOption,
    *,
    by: Annotated[str, typer.Option("--by", help="Who says so; default: the user of this machine.")] = "",
    note: Annotated[str, typer.Option("--note", help="Why.")] = "",
    verdicts: VerdictsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what an alert was; the last word rules, the earlier ones are kept."""
    from ground.fleet.alerts import find_alert

    found = find_alert(_alerts(data), alert)
    entry = _store(data, verdicts).record(found.key, verdict, by=by or _user(), note=note)
    if as_json:
        say_json(_document(found, entry))
    else:
        console.print(_line(found, entry))


def _is_open(entry: Entry | None) -> bool:
    return entry is None or entry.verdict is Verdict.NEEDS_REVIEW


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # No name is refused further on, with what to do.
        return ""


def _store(data: Path, verdicts: Path | None) -> Verdicts:
    return open_verdicts(verdicts or data / VERDICTS_FILE)


def _alerts(data: Path) -> tuple[Alert, ...]:
    from ground.fleet.alerts import read_alerts

    reading = read_alerts(data)
    for fault in reading.skipped:
        say(f"left out: {fault}")
    return reading.alerts


def _document(alert: Alert, entry: Entry | None) -> dict[str, Any]:
    key = alert.key
    said = {"verdict": entry.verdict.value, "by": entry.by, "at_ns": entry.at_ns, "note": entry.note} if entry else {}
    return {
        "alert_id": key.alert_id, "aircraft": key.aircraft, "engine": key.engine, "flight": key.flight,
        "phase": alert.phase, "end_ns": alert.end_ns, "ratio": alert.ratio, "bundle_id": alert.bundle_id, **said,
    }  # fmt: skip


def _line(alert: Alert, entry: Entry | None) -> str:
    key = alert.key
    said = f"{entry.verdict.value} by {entry.by} {_time(entry.at_ns)}" if entry else _UNDECIDED
    note = f": {entry.note}" if entry and entry.note else ""
    what = f"{key.aircraft}/{key.engine} flight {key.flight} {alert.phase} {_time(alert.end_ns)}"
    return printable(f"{key.alert_id}  {what}  {alert.ratio:.2f} x threshold  {alert.bundle_id}  {said}{note}")


def _time(t_ns: int) -> str:
    try:
        return datetime.fromtimestamp(t_ns // _NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{t_ns} ns"
