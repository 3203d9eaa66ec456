"""The command ``ground``: where its subcommands come together, and how each of them ends.

``ground --help`` imports every module named here. They import nothing heavy (numpy, pydantic, cryptography, ...) but
inside their functions; tests/ground/test_start_up.py holds them to that.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from edge_agent.errors import AgentError
from edge_agent.output import printable
from ground.adapt import adapt
from ground.bridge.command import bridge_app
from ground.commands.batch import batch
from ground.commands.demo import demo
from ground.commands.examples import give_examples
from ground.commands.group import HeadedGroup
from ground.commands.recordings import import_, simulate
from ground.commands.release import export, pipeline
from ground.commands.replay import replay
from ground.commands.stages import evaluate, featurize, preprocess, train
from ground.console.command import console_app
from ground.doctor.command import doctor
from ground.errors import GateError, GroundError
from ground.exit_code import ExitCode
from ground.features.command import features_app
from ground.fleet.collect.command import collect_app
from ground.fleet.command_drift import drift
from ground.fleet.command_retrain import retrain
from ground.fleet.command_shadow import shadow_app
from ground.fleet.command_verdict import verdict_app
from ground.fleet.registry.command import registry_app
from ground.fleet.repo.command import repo_app
from ground.flights_needed import flights_needed
from ground.initialise.command import init
from ground.keys_command import keys_app, sign
from ground.report.command import report
from ground.scoring.command import pyfunc
from ground.terminal import say
from ground.tune import tune
from shared_features.errors import FeatureError

_PACKAGES = {"ground", "edge_agent", "shared_features"}
Command = Callable[..., None] | typer.Typer

COMMANDS: dict[str, dict[str, Command]] = {
    "From recordings to a detector": {
        "init": init,
        "simulate": simulate,
        "import": import_,
        "preprocess": preprocess,
        "featurize": featurize,
        "train": train,
        "evaluate": evaluate,
        "report": report,
        "export": export,
        "pipeline": pipeline,
        "tune": tune,
        "adapt": adapt,
        "flights-needed": flights_needed,
        "features": features_app,
    },
    "From a detector to the fleet": {
        "sign": sign,
        "keys": keys_app,
        "registry": registry_app,
        "repo": repo_app,
        "pyfunc": pyfunc,
    },
    "From the fleet": {
        "batch": batch,
        "replay": replay,
        "drift": drift,
        "collect": collect_app,
        "shadow": shadow_app,
        "bridge": bridge_app,
        "console": console_app,
        "verdict": verdict_app,
        "retrain": retrain,
    },
    "This machine": {
        "demo": demo,
        "doctor": doctor,
    },
}
"""What there is, under the heading that `ground --help` shows it; a line a command."""

app = typer.Typer(
    cls=HeadedGroup,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train, gate, sign and replay engine vibration detectors.",
    epilog="Exit codes: 0 done, 1 a fault of ours, 2 bad input, 3 a gate failed or the answer is no, "
    "4 some recordings could not be read; all of them: docs/reference/cli.md.",
)
for heading, commands in COMMANDS.items():
    for name, command in commands.items():
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, rich_help_panel=heading, cls=HeadedGroup)
        else:
            app.command(name, rich_help_panel=heading)(command)
give_examples(app)


def _say_version(asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if asked:
        from importlib.metadata import version

        typer.echo(f"ground {version('enginear-ground')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_say_version)
    ] = False,
) -> None:
    del version


def main() -> None:
    """Run the command; whatever goes wrong ends with its text and a code, never with a traceback."""
    try:
        app()
    except GateError as error:
        _fail(str(error), ExitCode.REFUSED)
    except (GroundError, AgentError, FeatureError) as error:
        _fail(str(error), ExitCode.BAD_INPUT)
    except OSError as error:
        _fail(
            f"{error.filename or 'disk'}: expected to read and write it, got {error.strerror or error}; check it",
            ExitCode.BAD_INPUT,
        )
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - people at a command line get a line, not a traceback
        _fail(_fault(error), ExitCode.UNEXPECTED)


def _fail(text: str, code: ExitCode) -> None:
    say(f"error: {text}", style="red")
    sys.exit(code)


def _fault(error: Exception) -> str:
    """A fault of ours in one line, with the last place in our own code."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _PACKAGES & set(Path(frame.filename).parts)]
    place = (ours or frames)[-1]
    what = printable(f"{type(error).__name__}: {error}".replace("\n", " "))
    return f"internal error: {what} ({Path(place.filename).name}:{place.lineno}); report it, with this line"
