"""The folder of a demo: what is used again, and when nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ground.config import load_config
from ground.demo.place import cleared, emptied, is_reusable, note_recordings
from ground.demo.scenario import CONFIGS, SIMULATED, Scenario
from ground.worker_platform import Platform

FLEET = Scenario(SIMULATED, Path(), CONFIGS / "engine_vibration.yaml")
RIG = Scenario("uestc", Path("data"), CONFIGS / "uestc.yaml")
SHOWN = ("models/{}/1.0.0/x.bundle", "agent/agent.log", "fleet/result/x", "evaluation/stream.parquet", "report.html")
KEPT = ("data/raw/x", "models/{}/candidate/x", "evaluation/metrics.json", "stages/train.json", "keys/private.pem")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """What a demo of this code leaves, in short."""
    root = emptied(tmp_path / "demo").root
    for name in (*SHOWN, *KEPT):
        path = root / name.format(load_config(FLEET.config).detector)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    note_recordings(root)
    return root


def test_what_is_shown_is_made_anew(root: Path) -> None:
    """Recordings, stages and keys stay; release, stream, dataset and page go."""
    assert is_reusable(root, FLEET)
    config = load_config(FLEET.config)
    cleared(root, config, "1.0.0")
    left = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert left == {*(name.format(config.detector) for name in KEPT), "made_by.txt"}


def test_nothing_of_other_code_is_used(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be it another version, an edited checkout or another library."""
    other = Platform(versions=(("numpy", "1"),), code="0", machine="x86_64")
    monkeypatch.setattr(Platform, "here", classmethod(lambda _cls: other))
    assert not is_reusable(root, FLEET)


def test_nothing_is_used_of_what_may_have_changed_or_is_not_whole(root: Path) -> None:
    """Somebody's recordings, and a fleet whose simulation was interrupted."""
    assert not is_reusable(root, RIG)
    (root / "made_by.txt").unlink()
    assert not is_reusable(root, FLEET)
    assert list(emptied(root).root.iterdir()) == []
