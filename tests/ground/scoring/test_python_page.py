"""docs/reference/python.md: its example runs, and what it lists is there."""

from __future__ import annotations

import re

import pandas as pd

from ground import Detector
from ground.pack import unpack_bundle
from ground.scoring.score_table import COLUMNS
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "reference" / "python.md").read_text()


def test_the_columns_of_the_page_are_those_of_the_table():
    """None is missing, none invented."""
    rows = PAGE.split("## What comes back")[1].split("Three more")[0]
    named = [name for row in re.findall(r"^\| (`.*?) \|", rows, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(COLUMNS)


def test_the_methods_of_the_page_are_there():
    """With the names of scikit-learn."""
    for name in re.findall(r"^\| `(\w+)` \| \(n,\)", PAGE, re.MULTILINE):
        assert callable(getattr(Detector, name))


def test_the_example_of_the_page_runs(small_bundle, tmp_path, monkeypatch, capsys):
    """On a folder of one recording, with the key beside the model."""
    unpack_bundle(small_bundle.path.read_bytes(), tmp_path / "models" / "engine_vibration_detector" / "1.0.0")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "public.pem").write_bytes(small_bundle.key.read_bytes())
    raw = tmp_path / "data" / "raw"
    raw.mkdir(parents=True)
    columns = "recording_id,file,unit_id,sampling_rate_hz,channels,signal_units,label"
    (raw / "recordings.csv").write_text(f"{columns}\nr1,r1.csv,u,1000,acc_1,g,healthy\n")
    samples = [frame.samples[:, 0] for frame in small_bundle.frames(5.0)]
    pd.DataFrame({"acc_1": [value for each in samples for value in each.tolist()]}).to_csv(raw / "r1.csv", index=False)
    monkeypatch.chdir(tmp_path)
    [example] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(example, "python.md", "exec"), {})  # noqa: S102 - the page's own example
    assert "r1" in capsys.readouterr().out
