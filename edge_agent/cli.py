"""The command ``edge-agent``."""

from __future__ import annotations

import argparse
import gc
import signal
import traceback
from collections.abc import Sequence
from pathlib import Path

from edge_agent.cli_parser import parser
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
    options = parser().parse_args(arguments)
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
