"""docs/how-to/install-ground.md: wheels that are all that another machine needs of ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from ground.extras import installing
from tests.conftest import ROOT

PAGE = (ROOT / "docs/how-to/install-ground.md").read_text(encoding="utf-8")
EXTRAS = tomllib.loads((ROOT / "ground/pyproject.toml").read_text())["project"]["optional-dependencies"]


def test_the_page_knows_every_extra() -> None:
    """And what is told where one is missing is what the page says."""
    named = {line.split("`")[1] for line in PAGE.splitlines() if line.startswith("| `")}
    assert named == set(EXTRAS)
    assert installing("dask").partition(" in the source tree")[0] in PAGE


@pytest.mark.skipif(os.environ.get("DOCS") != "full", reason="a minute: make test-docs")
@pytest.mark.timeout(600)
def test_wheels_work_where_no_source_tree_is(tmp_path: Path) -> None:
    """`make wheels`, then our packages from nothing but these files: what they need beside code is in them."""
    tree = tmp_path / "tree"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        if not name.startswith(("tests/", "docs/", "benchmarks/")):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    subprocess.run([sys.executable, "packaging/make_wheels.py"], cwd=tree, check=True)
    wheels = sorted((tree / "dist").glob("*.whl"))
    assert len(wheels) == 3
    assert (tree / "dist" / "constraints.txt").exists()
    held = {name for wheel in wheels for name in zipfile.ZipFile(wheel).namelist()}
    ours = {name for name in tracked.split("\0") if name.startswith(("ground/", "edge_agent/", "shared_features/"))}
    assert {name for name in ours if not name.endswith("/pyproject.toml")} <= held
    there = tmp_path / "there"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    subprocess.run([*pip, str(there), *map(str, wheels)], check=True)
    shutil.rmtree(tree)
    python = [sys.executable, "-c", "import ground.cli, sys; print(ground.__file__); ground.cli.main()"]
    surroundings = {**os.environ, "PYTHONPATH": str(there)}
    for arguments in (
        ["simulate", "--out", "raw", "--healthy", "4", "--faulty", "1", "--sensor-faulty", "1", "--flight-s", "20"],
        ["init", "--data", "raw", "--out", "w"],
    ):
        done = subprocess.run(
            [*python, *arguments], cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert str(there) in done.stdout
