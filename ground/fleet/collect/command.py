"""``ground collect``."""

from __future__ import annotations

import re
import signal
import socket
import threading
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ground.commands.options import JsonOption
from ground.errors import ConfigError
from ground.terminal import say, say_json, waiting

if TYPE_CHECKING:
    from ground.fleet.collect.collector import CollectorPlan
    from ground.fleet.collect.link import BrokerAddress
    from ground.fleet.collect.parts import Written

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SPOOL = ".spool"
MQTT_PORT = 1883
MQTTS_PORT = 8883

console = Console(highlight=False, soft_wrap=True, markup=False)

collect_app = typer.Typer(no_args_is_help=True, help="Collect what agents publish into a dataset of Parquet files.")


@collect_app.command("run")
def run(
    out: Annotated[Path, typer.Option("--out", help="Folder of the dataset.")],
    *,
    broker: Annotated[str, typer.Option("--broker", help="HOST or HOST:PORT of the MQTT broker.")] = "localhost",
    name: Annotated[str, typer.Option("--name", help="Of this collector; the host's name by default.")] = "",
    group: Annotated[str, typer.Option("--group", help="Collectors of one group share what comes.")] = "collectors",
    every: Annotated[float, typer.Option("--every", min=1.0, help="Seconds between two files of a partition.")] = 60.0,
    username: Annotated[str, typer.Option("--username", help="For the broker.")] = "",
    password_file: Annotated[Path | None, typer.Option("--password-file", help="File with its password.")] = None,
    ca: Annotated[Path | None, typer.Option("--ca", help="Certificates that vouch for the broker: speaks TLS.")] = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="Own certificate, where one is asked.")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", help="Its key.")] = None,
) -> None:
    """Collect until SIGTERM or Ctrl-C; what was acknowledged is on disk."""
    from ground.fleet.collect.collector import CollectorPlan
    from ground.fleet.collect.link import BrokerAddress

    host, port = host_and_port(broker, MQTTS_PORT if ca else MQTT_PORT)
    own = name or socket.gethostname()
    _check_name(own, "--name")
    _check_name(group, "--group")
    if certificate and not ca:
        raise ConfigError("--ca: expected what vouches for the broker beside --certificate, got nothing; add it")
    if key and not certificate:
        raise ConfigError("--certificate: expected a certificate beside --key, got nothing; add it")
    address = BrokerAddress(
        host=host, port=port, username=username, password=password_of(password_file),
        ca=str(ca or ""), certificate=str(certificate or ""), key=str(key or ""),
    )  # fmt: skip
    if address.password and not ca and not _is_here(host):
        say(f"--ca: expected TLS on the way to {host}, got a password that anybody on it can read; give --ca")
    _collect(CollectorPlan(root=out, name=own, batch_s=every), address, group)


def _collect(plan: CollectorPlan, address: BrokerAddress, group: str) -> None:
    from ground.fleet.collect.collector import Collector
    from ground.fleet.collect.kinds import topic_filters
    from ground.fleet.collect.link import Intake
    from ground.fleet.collect.reminder import Reminder
    from ground.fleet.collect.spool import Spool

    spool = Spool(plan.root / _SPOOL / plan.name)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    outage, notes = Reminder(say), Reminder(say)

    def tell_of(written: Written) -> None:
        console.print(_line(written))

    def begin() -> None:
        outage.end()
        console.print(f"collecting from {address.host}:{address.port} as {plan.name}, in group {group}")

    intake = Intake(
        address,
        name=plan.name,
        filters=topic_filters(plan.topics),
        group=group,
        on_subscribed=begin,
    )
    try:
        Collector(plan, spool, intake, tell=tell_of, outage=outage, notes=notes).run(stopping)
    except OSError as error:
        # A write that fails names no file.
        raise OSError(error.errno, error.strerror or str(error), str(error.filename or plan.root)) from error
    finally:
        spool.close()


@collect_app.command("compact")
def compact(
    out: Annotated[Path, typer.Option("--out", help="Folder of the dataset.")],
    *,
    before: Annotated[
        str, typer.Option("--before", help="First day, YYYY-MM-DD, to leave alone; today by default.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Make one file of the files of each day and aircraft that is over; each message once."""
    from ground.fleet.collect.dataset import compact as make_few

    today = datetime.now(UTC).date().isoformat()
    try:
        day = datetime.strptime(before or today, "%Y-%m-%d").replace(tzinfo=UTC).date().isoformat()
    except ValueError as error:
        raise ConfigError(f"--before: expected YYYY-MM-DD, got {before!r}; write for example {today}") from error
    if not out.is_dir():
        raise ConfigError(f"--out: expected the folder of a dataset, got {out}; `ground collect run` makes one")
    with waiting(f"compacting {out}"):
        fewer = make_few(out, before=day)
    if as_json:
        say_json({"before": day, "files_less": fewer})
    else:
        console.print(f"{fewer} files less")


def host_and_port(text: str, default: int) -> tuple[str, int]:
    """Host and port of ``--broker``.

    Raises:
        ConfigError: It is neither HOST nor HOST:PORT.
    """
    host, _, port = text.rpartition(":") if re.search(r":\d+$", text) else (text, "", "")
    if not host or len(host) > 253 or (port and not 0 < int(port) < 65_536):  # noqa: PLR2004 - a name's and a port's limits
        raise ConfigError(f"--broker: expected HOST or HOST:PORT, got {text!r}; write for example broker.example:8883")
    return host.strip("[]"), int(port or default)


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _check_name(text: str, option: str) -> None:
    if not _NAME.fullmatch(text):
        raise ConfigError(f"{option}: expected letters, digits and . _ -, at most 64, got {text!r:.80}; choose another")


def password_of(path: Path | None) -> str:
    """The password in a file; empty where none is named.

    Raises:
        ConfigError: It cannot be read.
    """
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--password-file: expected a readable text, got {path}: {error}; correct it") from error


def _line(written: Written) -> str:
    rows = ", ".join(f"{n} {kind}" for kind, n in sorted(written.rows.items()))
    why = "; ".join(f"{n} {reason}" for reason, n in sorted(written.reasons.items()))
    repeated = f", {written.repeated} had come before" if written.repeated else ""
    damaged = f", {written.damaged} DAMAGED in the spool, kept there as *.damaged" if written.damaged else ""
    return f"{rows} in {written.files} files{repeated}{f' (refused: {why})' if why else ''}{damaged}"
