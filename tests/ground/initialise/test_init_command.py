"""The command ``ground init``: what it writes, prints and refuses."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from ground.cli import app
from ground.config import load_config
from ground.errors import ConfigError


def run(*arguments):
    """What the command prints; its errors are raised."""
    result = CliRunner().invoke(app, ["init", *map(str, arguments)], catch_exceptions=False, terminal_width=200)
    return result.stdout


def test_the_command_writes_a_config_and_says_what_comes_next(bench, tmp_path):
    """A table of what was found, chosen and doubted; the commands to type."""
    folder, out = bench.write(), tmp_path / "my out"
    text = run("--data", folder, "--set", "bench", "--out", out)
    assert load_config(out / "config.yaml").detector == "bench_detector"
    assert not (out / "contract.yaml").exists()
    assert "2000 Hz" in text
    assert f"ground import --data {folder} --set bench --config '{out / 'config.yaml'}' --workspace" in text


def test_what_a_person_corrected_is_not_replaced(bench, tmp_path):
    """Without --force; and that is said before anything is read."""
    folder = bench.write()
    (tmp_path / "config.yaml").write_text("mine")
    with pytest.raises(ConfigError, match=r"config\.yaml: expected no such file yet, got one; choose another --out"):
        run("--data", folder, "--out", tmp_path)
    assert (tmp_path / "config.yaml").read_text() == "mine"
    (tmp_path / "contract.yaml").write_text("of an earlier proposal")
    run("--data", folder, "--out", tmp_path, "--force")
    assert load_config(tmp_path / "config.yaml").contract == ""
    assert not (tmp_path / "contract.yaml").exists()
