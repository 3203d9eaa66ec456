"""The command ``edge-agent``."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Sequence
from pathlib import Path

from edge_agent.errors import AgentError, BundleError, ConfigError, FrameFileError
from edge_agent.exit_code import ExitCode
from edge_agent.output import complain
from edge_agent.version import AGENT_VERSION

_SELFTEST_WINDOWS = 200
_INTERRUPTED = 128 + signal.SIGINT
_CODES = ((BundleError, ExitCode.BUNDLE_REFUSED), (FrameFileError, ExitCode.BAD_INPUT), (ConfigError, ExitCode.USAGE))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: The command line without the program's name; that of the process by default.

    Returns:
        An ``ExitCode``.
    """
    options = _parser().parse_args(arguments)
    try:
        return _dispatch(options)
    except AgentError as error:
        complain(f"{error.reason}: {error}" if isinstance(error, BundleError) else str(error))
        return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.UNEXPECTED)
    except KeyboardInterrupt:
        return _INTERRUPTED


def _dispatch(options: argparse.Namespace) -> ExitCode:
    # Imported here: `--help` and `status` need no onnxruntime.
    if options.command == "run":
        from edge_agent.command_run import run

        return run(options.config)
    if options.command == "status":
        from edge_agent.command_status import status

        return status(options.config, as_json=options.json)
    if options.command == "selftest":
        from edge_agent.command_selftest import selftest

        return selftest(options.config, windows=options.windows, as_json=options.json)
    if options.command == "commission":
        return _commission(options)
    return _replay(options) if options.command == "replay" else _verify(options)


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


def _replay(options: argparse.Namespace) -> ExitCode:
    from edge_agent.command_replay import ReplayOptions, replay
    from edge_agent.command_verify import policy_of

    return replay(
        ReplayOptions(
            bundle=options.bundle, keys=options.key, frames=options.frames, out=options.out, units=options.units
        ),
        policy_of(fleet=options.fleet, allow_development=options.allow_development),
    )


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
    replay.add_argument("--units", type=Path, metavar="DIR", help="states of units to start from; none by default")
    selftest = commands.add_parser("selftest", help="prove the bundle on this machine and measure its latency")
    selftest.add_argument("--windows", type=_positive, default=_SELFTEST_WINDOWS, metavar="N", help="windows to score")
    status = commands.add_parser("status", help="print what the running agent last said of itself")
    commission = commands.add_parser("commission", help="what is learned of each unit; or learn one anew")
    actions = commission.add_subparsers(dest="action", required=True, metavar="ACTION")
    shown = actions.add_parser("status", help="print what is known of the units")
    shown.add_argument("--engine", default="", metavar="AIRCRAFT/ENGINE", help="only of this one")
    reset = actions.add_parser("reset", help="forget a unit that was exchanged or repaired")
    reset.add_argument("--engine", required=True, metavar="AIRCRAFT/ENGINE", help="which")

    for command in (run, selftest, status, shown, reset):
        command.add_argument("--config", type=Path, required=True, metavar="FILE", help="agent.toml")
    for command in (verify, replay):
        command.add_argument(
            "--key", type=Path, action="append", required=True, metavar="PEM", help="a trusted public key; repeatable"
        )
        command.add_argument("--fleet", default="", help="the fleet it must be for; any by default")
        command.add_argument("--allow-development", action="store_true", help="also take a development bundle")
    for command in (verify, selftest, status, shown, reset):
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {value}")
    return value
