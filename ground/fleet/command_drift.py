"""``ground drift``."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ground.commands.options import JsonOption
from ground.errors import ConfigError, DataError
from ground.exit_code import ExitCode
from ground.fleet.registry.command import DEFAULT, RegistryOption
from ground.terminal import say, say_json, waiting

if TYPE_CHECKING:
    from ground.drift_reading import DriftMessage
    from ground.fleet.drift import BlockTest, FlightMeans

SCHEMA = 1
_NS_PER_S = 1_000_000_000
_SEED = 20_261_128
_SHORT = 16

console = Console(highlight=False, soft_wrap=True, markup=False)


def drift(
    data: Annotated[Path, typer.Option("--data", help="Dataset that `ground collect` writes.")],
    *,
    bundle: Annotated[str, typer.Option("--bundle", help="Id of the bundle, or the beginning of its digest.")] = "",
    active: Annotated[
        str, typer.Option("--active", help="Name of a detector: the version of it that flies, by --registry.")
    ] = "",
    registry: RegistryOption = DEFAULT,
    fleet: Annotated[str, typer.Option("--fleet", help="Where --active flies in several fleets: in this one.")] = "",
    reference: Annotated[
        int,
        typer.Option("--reference", min=8, help="Its first flights: what is usual, beside a later engine's first 4."),
    ] = 60,
    block: Annotated[int, typer.Option("--block", min=8, max=200, help="Flights that are tested together.")] = 30,
    model: Annotated[Path | None, typer.Option("--model", help="Its folder, for the names of features.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="File for the event, written where there is drift.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Test whether flights of late differ from the first ones of a bundle; exit code 3 where they do.

    Each block of flights is tested once, at a level that gives one false trigger in a thousand flights.
    """
    from ground.fleet.drift import Outcome, check_block, divided
    from ground.workspace import write_atomic

    if active and bundle:
        raise ConfigError("--active, --bundle: expected one of them, got both; leave one out")
    if active:
        bundle = _flying(registry, active, fleet)
    names = _names(model)
    with waiting(f"reading {data}"):
        messages, flights = _read(data, bundle, len(names), is_registered=bool(active))
    usual, late = divided(flights, reference)
    blocks = [late[begin : begin + block] for begin in range(0, len(late) - block + 1, block)]
    with waiting(f"testing {len(blocks)} blocks of flights"):
        tests = [check_block(usual, each, seed=_SEED + number) for number, each in enumerate(blocks)]
    if as_json:
        events = [_event(messages[0], *each, names) for each in zip(tests, blocks, strict=True)]
        say_json({"schema": SCHEMA, "flights": len(flights), "blocks": events})
    elif not blocks:
        console.print(
            f"{len(flights)} flights so far, {len(usual)} of them of the reference: expected {block} after those; "
            "ask again later"
        )
    else:
        _print(tests, blocks, names)
        console.print(f"{len(late) % block} flights wait for their block to be full")
    found = [(test, flown) for test, flown in zip(tests, blocks, strict=True) if test.outcome is Outcome.DRIFT]
    if found:
        if out is not None:
            event = _event(messages[0], *found[-1], names)
            write_atomic(out, f"{json.dumps(event, indent=1, sort_keys=True)}\n".encode())
        raise typer.Exit(ExitCode.REFUSED)


def _flying(registry: str, detector: str, fleet: str) -> str:
    """Digest of the version of a detector that is active.

    Raises:
        DataError: There is none, or one in each of several fleets.
        RegistryError: There is no such detector, or the registry does not answer.
    """
    from ground.fleet.registry.registry import open_registry
    from ground.fleet.registry.states import State

    versions = open_registry(registry).versions(detector)
    found = [each.subject for each in versions if each.state is State.ACTIVE and fleet in ("", each.subject.fleet)]
    if len(found) != 1:
        names = ", ".join(f"{each.name} in {each.fleet}" for each in found) or "none"
        raise DataError(f"--active: expected one active version of {detector}, got {names}; choose with --fleet")
    return found[0].digest


def _read(
    data: Path, bundle: str, width: int, *, is_registered: bool
) -> tuple[tuple[DriftMessage, ...], list[FlightMeans]]:
    """The flights of one bundle, and a message of theirs; messages are read one partition after the other.

    They have ``width`` features, or where that is 0 as many as most of them: anybody may publish others. A bundle that
    ``is_registered`` may have flown nowhere yet: then there are neither, where the dataset says anything at all.
    """
    from ground.fleet.flight_sums import FlightSums

    found, sums, widths = set[tuple[str, str]](), defaultdict[int, FlightSums](FlightSums), Counter[int]()
    first: dict[int, DriftMessage] = {}
    for message, day in _messages(data):
        if bundle and message.bundle_id != bundle and not message.bundle_digest.startswith(bundle):
            continue
        found.add((message.bundle_id, message.bundle_digest[:_SHORT]))
        n_feature = len(message.sketch.sums)
        widths[n_feature] += 1
        if len(found) == 1:
            first.setdefault(n_feature, message)
            sums[n_feature].add(message, arrived=day)
    if is_registered and not found:
        _check_says_something(data)
        return (), []
    if len(found) != 1:
        names = ", ".join(f"{name} {digest}" for name, digest in sorted(found)) or "none"
        raise DataError(f"drift: expected messages of one bundle, got {names}; choose one with --bundle")
    width = width or widths.most_common(1)[0][0]
    if width not in widths:
        raise DataError(
            f"--model: expected that of the messages, got {width} features for {sorted(widths)}; give theirs"
        )
    if len(widths) > 1:
        say(f"{widths.total() - widths[width]} messages left out, which have other than {width} features")
    return (first[width],), sums[width].flights()


def _check_says_something(data: Path) -> None:
    """A wrong folder, or collectors that keep nothing any more, would be no drift for ever."""
    from ground.fleet.collect.dataset import read_partitions, schema_of
    from ground.fleet.collect.kinds import Kind

    columns = {kind: schema_of(kind)[1] for kind in (Kind.DRIFT, Kind.RESULT)}
    parts = (part for kind, key in columns.items() for part in read_partitions(data, kind, columns=key))
    if not any(part.table.num_rows for part in parts):
        raise DataError(
            f"{data}: expected a dataset with messages of drift or results, got neither; mount it, correct the path, "
            "or look after the collectors"
        )


def _messages(data: Path) -> Iterator[tuple[DriftMessage, str]]:
    from ground.drift_reading import read_drift
    from ground.fleet.collect.dataset import read_partitions
    from ground.fleet.collect.kinds import Kind

    faults = 0
    for partition in read_partitions(data, Kind.DRIFT, columns=["payload"]):
        for fault in partition.skipped:
            say(f"left out: {fault}")
        for payload in partition.table["payload"]:
            try:
                message = read_drift(payload.as_py())
            except DataError as error:
                faults += 1
                if faults == 1:
                    say(f"left out: {error}")
                continue
            yield message, partition.date
    if faults:
        say(f"{faults} messages left out, which are none of drift")


def _names(model: Path | None) -> tuple[str, ...]:
    if model is None:
        return ()
    path = model / "scaler.json"
    try:
        return tuple(map(str, json.loads(path.read_text(encoding="utf-8"))["names"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"--model: expected a folder with scaler.json, got {model}: {error!r:.100}; give models/D/VERSION"
        ) from error


def _name_of(feature: int, names: tuple[str, ...]) -> str:
    return names[feature] if feature < len(names) else f"feature {feature}"


def _print(tests: list[BlockTest], blocks: list[list[FlightMeans]], names: tuple[str, ...]) -> None:
    from ground.fleet.drift import Outcome

    table = Table("flights", "from", "until", "p", "level", "says", "moved most (spreads of the scaler)")
    for test, flown in zip(tests, blocks, strict=True):
        moved = ", ".join(
            f"{_name_of(each.feature, names)} in {each.phase} {each.spreads:+.2f}" for each in test.shifts[:3]
        )
        table.add_row(
            str(test.flights), _day(flown[0].from_ns), _day(flown[-1].from_ns), f"{test.p:.4f}", f"{test.level:.3f}",
            test.outcome.value, moved,
        )  # fmt: skip
    Console().print(table)
    unknown = sum(test.outcome is Outcome.INSUFFICIENT for test in tests)
    if unknown:
        say(f"{unknown} of {len(tests)} blocks could not be tested: too few flights have a phase in common")


def _day(t_ns: int) -> str:
    return datetime.fromtimestamp(t_ns / _NS_PER_S, UTC).date().isoformat()


def _event(message: DriftMessage, test: BlockTest, flown: list[FlightMeans], names: tuple[str, ...]) -> dict[str, Any]:
    """What starts a retraining, and says why."""
    return {
        "schema": SCHEMA,
        "event": "drift",
        "bundle_id": message.bundle_id,
        "bundle_digest": message.bundle_digest,
        **asdict(test),
        "outcome": test.outcome.value,
        "shifts": [{**asdict(each), "name": _name_of(each.feature, names)} for each in test.shifts],
        "flown": [{"engine": each.engine, "flight": each.flight} for each in flown],
    }
