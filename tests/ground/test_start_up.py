"""What `--help` loads. Time is no test's matter; these modules are what it went into."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ground.cli import COMMANDS, app
from tests.conftest import ROOT

HEAVY = (
    "cryptography", "jinja2", "matplotlib", "mlflow", "msgpack", "numpy", "onnx", "onnxruntime", "optuna", "paho",
    "pandas", "pandera", "pyarrow", "pydantic", "scipy", "securesystemslib", "sklearn", "starlette", "structlog",
    "torch", "tuf", "yaml",
)  # fmt: skip
PROGRAM = """
import json, sys
from {module} import main
sys.argv[1:] = ["--help"]
try:
    main()
finally:
    sys.stderr.write(json.dumps(sorted(set(sys.modules))))
"""


@pytest.mark.parametrize("module", ["ground.cli", "edge_agent.cli"])
def test_help_loads_nothing_heavy(module: str) -> None:
    """What a command needs, it imports when it runs."""
    command = [sys.executable, "-c", PROGRAM.format(module=module)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--help" in done.stdout
    loaded = set(json.loads(done.stderr))
    assert module in loaded
    assert loaded & set(HEAVY) == set()


def test_help_of_ground_does_without_rich_markup() -> None:
    """Rendering through rich took half of the time."""
    assert app.rich_markup_mode is None


def test_every_command_is_shown_below_its_heading(capsys: pytest.CaptureFixture[str]) -> None:
    """Each heading once, with its commands in their order."""
    with pytest.raises(SystemExit):
        app(["--help"])
    shown = capsys.readouterr().out
    for heading, commands in COMMANDS.items():
        section = shown.partition(f"{heading}:\n")[2].partition("\n\n")[0]
        names = [line.split()[0] for line in section.splitlines() if line[2] != " "]
        assert names == sorted(commands, key=names.index), heading
        assert set(names) == set(commands)
