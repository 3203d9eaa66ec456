"""What the command ``edge-agent`` understands."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.cli_examples import give_examples
from edge_agent.version import AGENT_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - it has no public name

_SELFTEST_WINDOWS = 200
_ACTION = "ACTION"
_BUNDLE_HELP = "a .bundle file, or a folder of its members"


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    made = argparse.ArgumentParser(prog="edge-agent", description="Anomaly detection on engine vibration, on board.")
    made.add_argument("--version", action="version", version=f"edge-agent {AGENT_VERSION}")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in _COMMANDS:
        add(commands)
    give_examples(made)
    return made


def _run(commands: Commands) -> None:
    _with_config(commands.add_parser("run", help="run the agent until SIGTERM"))


def _verify(commands: Commands) -> None:
    verify = commands.add_parser("verify", help="check a bundle as an agent does before it runs it")
    verify.add_argument("bundle", type=Path, metavar="BUNDLE", help=_BUNDLE_HELP)
    _with_keys(verify)


def _replay(commands: Commands) -> None:
    replay = commands.add_parser("replay", help="assess recorded payloads, to the bytes the stream gave")
    replay.add_argument("--bundle", type=Path, required=True, metavar="BUNDLE", help="a .bundle file, or a folder")
    replay.add_argument("--frames", type=Path, required=True, metavar="FILE", help="length-prefixed payloads to read")
    replay.add_argument("--out", type=Path, required=True, metavar="FILE", help="length-prefixed assessments to write")
    replay.add_argument(
        "--first-seq", type=_natural, default=0, metavar="N", help="seq of the first assessment, as evidence states it"
    )
    replay.add_argument("--units", type=Path, metavar="DIR", help="states of units to start from; none by default")
    _with_keys(replay)


def _selftest(commands: Commands) -> None:
    selftest = commands.add_parser("selftest", help="prove the bundle on this machine and measure its latency")
    selftest.add_argument("--windows", type=_positive, default=_SELFTEST_WINDOWS, metavar="N", help="windows to score")
    _with_config(selftest, json=True)


def _status(commands: Commands) -> None:
    _with_config(commands.add_parser("status", help="print what the running agent last said of itself"), json=True)


def _spool(commands: Commands) -> None:
    spool = commands.add_parser("spool", help="look into the journal, while the agent runs or not")
    actions = spool.add_subparsers(dest="action", required=True, metavar=_ACTION)
    check = actions.add_parser("check", help="read every record; the exit code says whether one is damaged")
    stats = actions.add_parser("stats", help="how much waits, by grade")
    export = actions.add_parser("export", help="write what waits to a file; the journal stays as it is")
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write")
    export.add_argument(
        "--format", choices=("jsonl", "blocks"), default="jsonl", help="JSON lines, or the payloads alone"
    )
    _with_config(check, stats, export, json=True)


def _bundle(commands: Commands) -> None:
    bundle = commands.add_parser("bundle", help="install bundles, and choose which one runs")
    actions = bundle.add_subparsers(dest="action", required=True, metavar=_ACTION)
    install = actions.add_parser("install", help="verify a bundle, prove it here and keep it; what runs stays")
    install.add_argument("bundle", type=Path, metavar="BUNDLE", help=_BUNDLE_HELP)
    activate = actions.add_parser(
        "activate", help="put an installed bundle on trial; a running agent takes it within a second"
    )
    activate.add_argument("digest", metavar="DIGEST", help="its digest, or the first eight digits or more")
    listing = actions.add_parser("list", help="print the installed bundles")
    rollback = actions.add_parser(
        "rollback", help="return to the previous bundle; a running agent does within a second"
    )
    status = actions.add_parser("status", help="print which bundle is active, its stage, and what was rejected")
    _with_config(install, activate, listing, rollback, status, json=True)


def _audit(commands: Commands) -> None:
    audit = commands.add_parser("audit", help="every decision of trust, and whether the log of them is whole")
    actions = audit.add_subparsers(dest="action", required=True, metavar=_ACTION)
    verify = actions.add_parser("verify", help="check the chain of its lines; the exit code says whether it is broken")
    verify.add_argument("--head", default="", metavar="SEQ:HASH", help="a line that must be in it, from the status")
    show = actions.add_parser("show", help="print its lines, oldest first")
    show.add_argument("--since", default="", metavar="TIME", help="ISO 8601, UTC by default; only from then on")
    _with_config(verify, show, json=True)


def _update(commands: Commands) -> None:
    update = commands.add_parser("update", help="take the bundle that the repository offers, if it is newer")
    update.add_argument(
        "--from", dest="source", default="", metavar="DIR|URL", help="the repository; update.url by default"
    )
    update.add_argument("--check", action="store_true", help="only tell what would be done, and keep nothing")
    _with_config(update, json=True)


def _evidence(commands: Commands) -> None:
    evidence = commands.add_parser("evidence", help="the waveform around alerts")
    actions = evidence.add_subparsers(dest="action", required=True, metavar=_ACTION)
    listing = actions.add_parser("list", help="print what there is, oldest first")
    export = actions.add_parser("export", help="copy a snapshot, for edge-agent replay")
    export.add_argument(
        "id", nargs="?", default="newest", metavar="ID", help="an id of the list; the newest by default"
    )
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="length-prefixed payloads to write")
    _with_config(listing, export, json=True)


def _doctor(commands: Commands) -> None:
    doctor = commands.add_parser("doctor", help="check config, bundle, broker and machine, and say what to do")
    _with_config(doctor, json=True)


def _diag(commands: Commands) -> None:
    diag = commands.add_parser("diag", help="write one archive to send along when asking for help")
    diag.add_argument(
        "--output", type=Path, metavar="FILE", help="the .tar.gz to write; by default named after the time"
    )
    _with_config(diag, json=True)


def _config(commands: Commands) -> None:
    config = commands.add_parser("config", help="look at the settings")
    actions = config.add_subparsers(dest="action", required=True, metavar=_ACTION)
    check = actions.add_parser(
        "check", help="read the settings as the agent does; complain, or say where they are from"
    )
    show = actions.add_parser("show", help="print the settings in force, each with its origin")
    actions.add_parser("defaults", help="print every key with its default")
    _with_config(check, show, json=True)


def _commission(commands: Commands) -> None:
    commission = commands.add_parser("commission", help="what is learned of each unit; or learn one anew")
    actions = commission.add_subparsers(dest="action", required=True, metavar=_ACTION)
    status = actions.add_parser("status", help="print what is known of the units")
    status.add_argument("--engine", default="", metavar="AIRCRAFT/ENGINE", help="only of this one")
    reset = actions.add_parser("reset", help="forget a unit that was exchanged or repaired")
    reset.add_argument("--engine", required=True, metavar="AIRCRAFT/ENGINE", help="which")
    _with_config(status, reset, json=True)


_COMMANDS: tuple[Callable[[Commands], None], ...] = (
    _run,
    _verify,
    _replay,
    _selftest,
    _status,
    _spool,
    _bundle,
    _audit,
    _update,
    _evidence,
    _doctor,
    _diag,
    _config,
    _commission,
)


def _with_config(*commands: argparse.ArgumentParser, json: bool = False) -> None:
    for command in commands:
        command.add_argument("--config", type=Path, required=True, metavar="FILE", help="agent.toml")
        if json:
            command.add_argument("--json", action="store_true", help="print JSON")


def _with_keys(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--key", type=Path, action="append", required=True, metavar="PEM", help="a trusted public key; repeatable"
    )
    command.add_argument("--fleet", default="", help="the fleet it must be for; any by default")
    command.add_argument("--allow-development", action="store_true", help="also take a development bundle")
    command.add_argument("--json", action="store_true", help="print JSON")


def _natural(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"expected 0 or more, got {value}")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {value}")
    return value
