"""docs/how-to/batch.md: its commands have the options it names, and those that need no cluster run as they stand."""

from __future__ import annotations

import re

import pyarrow.parquet as pq
import pytest
import typer

import edge_agent.cli
from edge_agent.frame_file import read_blocks
from ground.cli import app
from tests.conftest import ROOT
from tests.ground.bulk.conftest import write_flights

PAGE = (ROOT / "docs" / "how-to" / "batch.md").read_text(encoding="utf-8")
LINES = re.findall(r"^    ((?:ground|edge-agent|dask) .*)$", PAGE, re.MULTILINE)
GROUND = [line for line in LINES if line.startswith("ground ")]
ALONE = ("://", "--engine", "--as-stream", "dask ", "featurize")


@pytest.mark.parametrize("line", GROUND)
def test_options_are_the_commands(line):
    """A page of options that are gone helps nobody."""
    command = typer.main.get_command(app).commands[line.split()[1]]
    known = {option for each in command.params for option in each.opts}
    assert set(re.findall(r"--[a-z-]+", line)) <= known


def test_the_page_runs(ground, small_bundle, work_dir):
    """In their order, in a folder that holds what they name: the batch, the file of frames and its replay."""
    (work_dir / "detector.bundle").write_bytes(small_bundle.path.read_bytes())
    (work_dir / "public.pem").write_bytes(small_bundle.key.read_bytes())
    write_flights(work_dir / "recordings", {"one": [9.0, 6.0]})
    first, second, third = (line.split() for line in LINES if not any(word in line for word in ALONE))
    assert ground(*first[1:])[0] == 0
    assert ground(*second[1:])[0] == 0
    assert edge_agent.cli.main(third[1:]) == 0
    rows = pq.read_table(work_dir / "results.parquet")["assessment"].to_pylist()
    assert list(read_blocks(work_dir / "results.bin")) == rows
