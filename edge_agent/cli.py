"""The command ``edge-agent``."""

from __future__ import annotations

import argparse
import gc
import signal
import traceback
from collections.abc import Sequence
from pathlib import Path

from edge_agent.errors import (
    AgentError,
    BundleError,
    ConfigError,
    EvidenceError,
    FrameFileError,
    RepositoryUnreachable,
    UpdateError,
)
from edge_agent.exit_code import ExitCode
from edge_agent.output import complain, finish, printable, say_json
from edge_agent.version import AGENT_VERSION

_SELFTEST_WINDOWS = 200
_INTERRUPTED = 128 + signal.SIGINT
_CODES = (
    (BundleError, ExitCode.BUNDLE_REFUSED),
    (RepositoryUnreachable, ExitCode.UPDATE_UNREACHABLE),
    (UpdateError, ExitCode.UPDATE_REFUSED),
    (FrameFileError, ExitCode.BAD_INPUT),
    (EvidenceError, ExitCode.BAD_INPUT),
    (ConfigError, ExitCode.USAGE),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: The command line without the program's name; that of the process by default.

    Returns:
        An ``ExitCode``.
    """
    options = _parser().parse_args(arguments)
    try:
        code = _dispatch(options)
    except AgentError as error:
        code = next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.UNEXPECTED)
        _tell(f"{error.reason}: {error}" if isinstance(error, BundleError | UpdateError) else str(error), options, code)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - people at a command line get a line, not a traceback
        code = ExitCode.UNEXPECTED
        _tell(_fault(error), options, code)
    finish()
    return code


def _tell(error: str, options: argparse.Namespace, code: ExitCode) -> None:
    """Say what went wrong, where people look and where a script does."""
    error = printable(error)
    complain(error)
    if getattr(options, "json", False):
        say_json({"error": error, "exit_code": code})


def _fault(error: Exception) -> str:
    """A fault of ours in one line, with the place that a report needs."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {error}".replace("\n", " ")
    return f"internal error: {what} ({Path(place.filename).name}:{place.lineno}); report it, with `edge-agent diag`"


def _dispatch(options: argparse.Namespace) -> ExitCode:
    commands = {
        "run": _run,
        "status": _status,
        "doctor": _doctor,
        "diag": _diag,
        "verify": _verify,
        "selftest": _selftest,
        "replay": _replay,
        "config": _config,
        "evidence": _evidence,
        "spool": _spool,
        "commission": _commission,
        "bundle": _bundle,
        "audit": _audit,
        "update": _update,
    }
    return commands[options.command](options)


# Imported in each command: `--help` and `status` need no onnxruntime.


def _run(options: argparse.Namespace) -> ExitCode:
    # What a start loads stays: to look for garbage in it costs a twentieth of the start. The agent turns it on again.
    gc.disable()
    from edge_agent.command_run import run

    return run(options.config)


def _status(options: argparse.Namespace) -> ExitCode:
    from edge_agent.command_status import status

    return status(options.config, as_json=options.json)


def _doctor(options: argparse.Namespace) -> ExitCode:
    from edge_agent.command_doctor import doctor

    return doctor(options.config, as_json=options.json)


def _diag(options: argparse.Namespace) -> ExitCode:
    from edge_agent.command_diag import default_output, diag

    return diag(options.config, output=options.output or default_output(), as_json=options.json)


def _selftest(options: argparse.Namespace) -> ExitCode:
    from edge_agent.command_selftest import selftest

    return selftest(options.config, windows=options.windows, as_json=options.json)


def _spool(options: argparse.Namespace) -> ExitCode:
    from edge_agent.command_spool import check, export, stats

    if options.action == "export":
        return export(options.config, out=options.out, form=options.format, as_json=options.json)
    action = check if options.action == "check" else stats
    return action(options.config, as_json=options.json)


def _config(options: argparse.Namespace) -> ExitCode:
    from edge_agent.command_config import config_check, config_defaults, config_show

    if options.action == "defaults":
        return config_defaults()
    return (config_check if options.action == "check" else config_show)(options.config, as_json=options.json)


def _verify(options: argparse.Namespace) -> ExitCode:
    from edge_agent.command_verify import VerifyOptions, verify

    return verify(
        VerifyOptions(
            bundle=options.bundle,
            keys=options.key,
            fleet=options.fleet,
            allow_development=options.allow_development,
            json=options.json,
        )
    )


def _commission(options: argparse.Namespace) -> ExitCode:
    from edge_agent.command_commission import commission_reset, commission_status

    command = commission_status if options.action == "status" else commission_reset
    return command(options.config, engine=options.engine, as_json=options.json)


def _bundle(options: argparse.Namespace) -> ExitCode:
    from edge_agent.command_bundle import activate, install, list_slots, roll_back, status

    if options.action == "install":
        return install(options.config, options.bundle, as_json=options.json)
    if options.action == "activate":
        return activate(options.config, options.digest, as_json=options.json)
    actions = {"list": list_slots, "rollback": roll_back, "status": status}
    return actions[options.action](options.config, as_json=options.json)


def _audit(options: argparse.Namespace) -> ExitCode:
    from edge_agent.command_audit import audit_show, audit_verify

    if options.action == "show":
        return audit_show(options.config, since=options.since, as_json=options.json)
    return audit_verify(options.config, head=options.head, as_json=options.json)


def _update(options: argparse.Namespace) -> ExitCode:
    from edge_agent.command_update import update

    return update(options.config, source=options.source, check=options.check, as_json=options.json)


def _replay(options: argparse.Namespace) -> ExitCode:
    from edge_agent.command_replay import ReplayOptions, replay
    from edge_agent.command_verify import policy_of

    return replay(
        ReplayOptions(
            bundle=options.bundle,
            keys=options.key,
            frames=options.frames,
            out=options.out,
            first_seq=options.first_seq,
            units=options.units,
            json=options.json,
        ),
        policy_of(fleet=options.fleet, allow_development=options.allow_development),
    )


def _evidence(options: argparse.Namespace) -> ExitCode:
    from edge_agent.command_evidence import export_evidence, list_evidence

    if options.action == "list":
        return list_evidence(options.config, as_json=options.json)
    return export_evidence(options.config, name=options.id, out=options.out, as_json=options.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edge-agent", description="Anomaly detection on engine vibration, on board.")
    parser.add_argument("--version", action="version", version=f"edge-agent {AGENT_VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the agent until SIGTERM")
    verify = commands.add_parser("verify", help="check a bundle as an agent does before it runs it")
    verify.add_argument("bundle", type=Path, metavar="BUNDLE", help="a .bundle file, or a folder of its members")
    replay = commands.add_parser("replay", help="assess recorded payloads, to the bytes the stream gave")
    replay.add_argument("--bundle", type=Path, required=True, metavar="BUNDLE", help="a .bundle file, or a folder")
    replay.add_argument("--frames", type=Path, required=True, metavar="FILE", help="length-prefixed payloads to read")
    replay.add_argument("--out", type=Path, required=True, metavar="FILE", help="length-prefixed assessments to write")
    replay.add_argument(
        "--first-seq", type=_natural, default=0, metavar="N", help="seq of the first assessment, as evidence states it"
    )
    replay.add_argument("--units", type=Path, metavar="DIR", help="states of units to start from; none by default")
    selftest = commands.add_parser("selftest", help="prove the bundle on this machine and measure its latency")
    selftest.add_argument("--windows", type=_positive, default=_SELFTEST_WINDOWS, metavar="N", help="windows to score")
    status = commands.add_parser("status", help="print what the running agent last said of itself")
    spooled = _add_spool(commands.add_parser("spool", help="look into the journal, while the agent runs or not"))
    slots = _add_bundle(commands.add_parser("bundle", help="install bundles, and choose which one runs"))
    slots += _add_audit(
        commands.add_parser("audit", help="every decision of trust, and whether the log of them is whole")
    )
    update = _add_update(
        commands.add_parser("update", help="take the bundle that the repository offers, if it is newer")
    )
    listing, export = _add_evidence(commands.add_parser("evidence", help="the waveform around alerts"))

    doctor = commands.add_parser("doctor", help="check config, bundle, broker and machine, and say what to do")
    diag = commands.add_parser("diag", help="write one archive to send along when asking for help")
    diag.add_argument(
        "--output", type=Path, metavar="FILE", help="the .tar.gz to write; by default named after the time"
    )

    config = commands.add_parser("config", help="look at the settings")
    actions = config.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser(
        "check", help="read the settings as the agent does; complain, or say where they are from"
    )
    show = actions.add_parser("show", help="print the settings in force, each with its origin")
    actions.add_parser("defaults", help="print every key with its default")

    commission = commands.add_parser("commission", help="what is learned of each unit; or learn one anew")
    actions = commission.add_subparsers(dest="action", required=True, metavar="ACTION")
    shown = actions.add_parser("status", help="print what is known of the units")
    shown.add_argument("--engine", default="", metavar="AIRCRAFT/ENGINE", help="only of this one")
    reset = actions.add_parser("reset", help="forget a unit that was exchanged or repaired")
    reset.add_argument("--engine", required=True, metavar="AIRCRAFT/ENGINE", help="which")

    for command in (
        run, selftest, status, check, show, listing, export, doctor, diag, shown, reset, update, *spooled, *slots,
    ):  # fmt: skip
        command.add_argument("--config", type=Path, required=True, metavar="FILE", help="agent.toml")
    for command in (verify, replay):
        command.add_argument(
            "--key", type=Path, action="append", required=True, metavar="PEM", help="a trusted public key; repeatable"
        )
        command.add_argument("--fleet", default="", help="the fleet it must be for; any by default")
        command.add_argument("--allow-development", action="store_true", help="also take a development bundle")
    for command in (
        verify, replay, selftest, status, check, show, listing, export, doctor, diag, shown, reset, update,
        *spooled, *slots,
    ):  # fmt: skip
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _add_evidence(evidence: argparse.ArgumentParser) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    actions = evidence.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="print what there is, oldest first")
    export = actions.add_parser("export", help="copy a snapshot, for edge-agent replay")
    export.add_argument(
        "id", nargs="?", default="newest", metavar="ID", help="an id of the list; the newest by default"
    )
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="length-prefixed payloads to write")
    return listing, export


def _add_bundle(bundle: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    actions = bundle.add_subparsers(dest="action", required=True, metavar="ACTION")
    install = actions.add_parser("install", help="verify a bundle, prove it here and keep it; what runs stays")
    install.add_argument("bundle", type=Path, metavar="BUNDLE", help="a .bundle file, or a folder of its members")
    activate = actions.add_parser(
        "activate", help="put an installed bundle on trial; a running agent takes it within a second"
    )
    activate.add_argument("digest", metavar="DIGEST", help="its digest, or the first eight digits or more")
    listing = actions.add_parser("list", help="print the installed bundles")
    rollback = actions.add_parser(
        "rollback", help="return to the previous bundle; a running agent does within a second"
    )
    status = actions.add_parser("status", help="print which bundle is active, its stage, and what was rejected")
    return [install, activate, listing, rollback, status]


def _add_audit(audit: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    actions = audit.add_subparsers(dest="action", required=True, metavar="ACTION")
    verify = actions.add_parser("verify", help="check the chain of its lines; the exit code says whether it is broken")
    verify.add_argument("--head", default="", metavar="SEQ:HASH", help="a line that must be in it, from the status")
    show = actions.add_parser("show", help="print its lines, oldest first")
    show.add_argument("--since", default="", metavar="TIME", help="ISO 8601, UTC by default; only from then on")
    return [verify, show]


def _add_update(update: argparse.ArgumentParser) -> argparse.ArgumentParser:
    update.add_argument(
        "--from", dest="source", default="", metavar="DIR|URL", help="the repository; update.url by default"
    )
    update.add_argument("--check", action="store_true", help="only tell what would be done, and keep nothing")
    return update


def _add_spool(spool: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    actions = spool.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="read every record; the exit code says whether one is damaged")
    stats = actions.add_parser("stats", help="how much waits, by grade")
    export = actions.add_parser("export", help="write what waits to a file; the journal stays as it is")
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write")
    export.add_argument(
        "--format", choices=("jsonl", "blocks"), default="jsonl", help="JSON lines, or the payloads alone"
    )
    return [check, stats, export]


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
