"""The tutorial notebook: nothing of a run is stored in it, its names exist, and `make test-notebook` executes it."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re

import pytest

from tests.conftest import ROOT

NOTEBOOK = ROOT / "docs" / "tutorial" / "first_detector.ipynb"
DOCUMENT = json.loads(NOTEBOOK.read_text())
CODE = ["".join(cell["source"]) for cell in DOCUMENT["cells"] if cell["cell_type"] == "code"]
TEXT = "\n".join("".join(cell["source"]) for cell in DOCUMENT["cells"] if cell["cell_type"] == "markdown")


def test_nothing_of_a_run_is_stored():
    """Outputs age, and hide what a change has broken."""
    for cell in DOCUMENT["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert cell["metadata"] == {}


def test_what_it_imports_from_us_is_there():
    """The cheap half of keeping it current."""
    imports = [each for each in ast.walk(ast.parse("\n".join(CODE))) if isinstance(each, ast.ImportFrom)]
    ours = [each for each in imports if each.module and each.module.split(".")[0] == "ground"]
    assert len(ours) > 5
    for each in ours:
        module = importlib.import_module(str(each.module))
        assert all(hasattr(module, alias.name) for alias in each.names)


def test_its_links_lead_somewhere():
    """They start at its folder."""
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert links
    assert all((NOTEBOOK.parent / link).is_file() for link in links)


@pytest.mark.skipif(os.environ.get("NOTEBOOK") != "full", reason="takes a minute: `make test-notebook` executes it")
@pytest.mark.timeout(900)
def test_it_runs_from_top_to_bottom(tmp_path, monkeypatch):
    """As a reader would run it; an error in a cell is an error here."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=600, startup_timeout=300, resources=where).execute()
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in each.get("data", {}) for each in shown) == 2
    assert any("array([-1])" in each.get("data", {}).get("text/plain", "") for each in shown)
