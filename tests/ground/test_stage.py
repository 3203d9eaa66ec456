"""Stages run when something they depend on changed, and only then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import ground
from ground.config import Config, load_config
from ground.stage import Stage, run_stage
from ground.workspace import Workspace, write_atomic

EXAMPLE = Path(ground.__file__).parent / "configs" / "engine_vibration.yaml"


class Copy:
    """A stage that copies one file and counts its runs."""

    def __init__(self):
        self.runs = 0
        self.stage = Stage(
            name="copy",
            sections=("seed",),
            inputs=lambda workspace, _: (workspace.raw,),
            outputs=lambda workspace, _: (workspace.interim,),
            work=self.work,
        )

    def work(self, _config, workspace, *, progress):
        """Copy the file."""
        self.runs += 1
        progress("copy", 1, 1)
        write_atomic(workspace.interim / "out", (workspace.raw / "in").read_bytes())
        return [f"run {self.runs}"]


@pytest.fixture
def copy(tmp_path):
    """A copying stage in a workspace with one raw file."""
    stage = Copy()
    workspace = Workspace(tmp_path)
    write_atomic(workspace.raw / "in", b"one")
    config = load_config(EXAMPLE)

    def run(config: Config = config, *, force: bool = False) -> bool:
        return run_stage(stage.stage, workspace, config, progress=lambda *_: None, force=force).ran

    stage.run, stage.workspace, stage.config = run, workspace, config
    return stage


def test_an_unchanged_stage_is_skipped(copy):
    """The second run does nothing; force does it all the same."""
    assert [copy.run(), copy.run(), copy.run(force=True)] == [True, False, True]
    assert copy.runs == 2


CHANGES = [
    ("input", lambda copy: write_atomic(copy.workspace.raw / "in", b"two")),
    ("new input", lambda copy: write_atomic(copy.workspace.raw / "more", b"x")),
    ("output gone", lambda copy: (copy.workspace.interim / "out").unlink()),
    ("output spoiled", lambda copy: write_atomic(copy.workspace.interim / "out", b"spoiled")),
    ("manifest gone", lambda copy: (copy.workspace.root / "stages" / "copy.json").unlink()),
    ("manifest torn", lambda copy: write_atomic(copy.workspace.root / "stages" / "copy.json", b"{")),
]


@pytest.mark.parametrize("change", [row[1] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_any_change_runs_it_again(copy, change):
    """Inputs, outputs and the manifest itself are all watched."""
    copy.run()
    change(copy)
    assert copy.run()
    assert not copy.run()


def test_only_the_sections_it_reads_matter(copy):
    """Another seed runs it again; another gate does not."""
    copy.run()
    gates = copy.config.gates.model_copy(update={"auc_min": 0.91})
    assert not copy.run(copy.config.model_copy(update={"gates": gates}))
    assert copy.run(copy.config.model_copy(update={"seed": 1}))


def test_a_failed_stage_leaves_no_manifest(copy):
    """What failed half-way is done again, whatever it wrote."""
    copy.run()
    (copy.workspace.raw / "in").unlink()
    with pytest.raises(FileNotFoundError):
        copy.run()
    assert not (copy.workspace.root / "stages" / "copy.json").exists()


def test_the_manifest_says_what_was_read_and_written(copy):
    """Digests, versions and the seed are there for an auditor."""
    copy.run()
    manifest = json.loads((copy.workspace.root / "stages" / "copy.json").read_bytes())
    assert list(manifest["inputs"]) == ["data/raw/in"]
    assert list(manifest["outputs"]) == ["data/interim/out"]
    assert manifest["seed"] == copy.config.seed
    assert "torch" in manifest["versions"]


def test_write_atomic_leaves_the_old_file_when_it_fails(tmp_path, monkeypatch):
    """A full disk costs nothing that was there, and leaves nothing behind."""
    path = tmp_path / "file"
    write_atomic(path, b"old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("no space left on device")))
    with pytest.raises(OSError, match="no space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
