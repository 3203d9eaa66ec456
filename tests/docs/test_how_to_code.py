"""The changes and the code of add-feature.md, add-model-family.md and collect.md do what the pages say."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.frame import NS_PER_S
from edge_agent.publication import Publication
from edge_agent.topics_section import TopicsSection
from ground.fleet.collect.parts import write_parts
from tests.conftest import ROOT
from tests.docs.blocks import FILE, Block, blocks_of
from tests.ground.collect.conftest import message  # noqa: F401 - a fixture

AFTER_S = 1_793_620_800
"""2026-11-02T12:00Z: in the days that collect.md asks for."""
HOW_TO = ROOT / "docs" / "how-to"
SWING = """
import numpy as np
from shared_features.extract import extract_windows
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup
from shared_features.vector import columns_of
spec = FeatureSpec(
    sampling_rate_hz=2000.0, record_s=1.0, window_s=2.0, hop_s=1.0, channels=(ChannelSpec("acc", "g"),),
    spectrum=SpectrumGroup(segment_n=500, overlap_n=250, bands_hz=((10.0, 100.0),)),
)
sine = 3.0 * np.sin(2 * np.pi * 50.0 * np.arange(4000) / 2000.0)
(window,) = extract_windows(spec, sine.astype(np.float32)[:, None], np.zeros(0))
print(dict(zip((column.name for column in columns_of(spec)), window.values.tolist()))["acc.swing"])
"""


def blocks(page: str, language: str) -> list[Block]:
    """Of one language."""
    return [block for block in blocks_of(HOW_TO / page) if block.language == language]


def changed_tree(page: str, folder: Path, *packages: str) -> None:
    """A copy of packages with what the page writes and changes."""
    for name in packages:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for block in blocks_of(HOW_TO / page):
        if block.mark == FILE:
            (folder / block.about).write_text(block.text)
    change = "".join(block.text for block in blocks(page, "diff"))
    assert change
    subprocess.run(["git", "apply", "-p1"], cwd=folder, input=change, text=True, check=True)


def test_a_feature_is_added_as_the_page_says(tmp_path: Path) -> None:
    """The sine of amplitude 3 has the swing that the page names."""
    changed_tree("add-feature.md", tmp_path, "shared_features")
    done = subprocess.run([sys.executable, "-c", SWING], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(2.0 * math.sqrt(2.0), rel=1e-6)


@pytest.mark.skipif(os.environ.get("DOCS") != "full", reason="half a minute: make test-docs")
def test_a_family_is_added_as_the_page_says(tmp_path: Path) -> None:
    """It keeps the contract of every family, by the tests that hold all of them to it."""
    changed_tree("add-model-family.md", tmp_path, "ground", "edge_agent", "shared_features", "tests")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/ground/test_model_families.py"]
    done = subprocess.run([*command, "-k", "robust"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


@pytest.mark.parametrize("page", ["add-feature.md", "add-model-family.md"])
def test_the_change_still_fits(page: str) -> None:
    """To the tree as it is now."""
    change = "".join(block.text for block in blocks(page, "diff"))
    subprocess.run(["git", "apply", "--check", "-p1"], cwd=ROOT, input=change, text=True, check=True)


def test_a_dataset_is_read_as_the_page_says(message, work_dir: Path, capsys) -> None:  # noqa: F811 - the fixture
    """Rows of the aircraft and the days that were asked for."""
    results: list[Publication] = [message(seq, end_ns=AFTER_S * NS_PER_S + seq) for seq in range(3)]
    write_parts(results, work_dir / "fleet", name="c-1", date="2026-11-02", topics=TopicsSection())
    (block,) = blocks("collect.md", "python")
    exec(compile(block.text, block.place, "exec"), {})  # noqa: S102 - the page's own code
    (count,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("count")]
    assert set(map(float, count.split()[1:])) == {float(len(results))}
