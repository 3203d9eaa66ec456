"""Pictures of the pages in the docs: each page has its place, and a build that wants all of them fails without one."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from mkdocs.exceptions import PluginError

from tests.conftest import ROOT
from tests.console.test_screens import PAGES

PAGE = (ROOT / "docs" / "reference" / "console-pages.md").read_text(encoding="utf-8")


@pytest.fixture
def screens() -> ModuleType:
    """The hook of mkdocs."""
    spec = importlib.util.spec_from_file_location("screens", ROOT / "docs" / "screens.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_page_has_a_place_for_its_picture(screens: ModuleType) -> None:
    """And no place is for a picture that nobody takes."""
    marks = [found["name"] for found in screens.MARK.finditer(PAGE)]
    assert set(re.findall(r"^([a-z]+)-light-1280$", "\n".join(marks), re.MULTILINE)) == set(PAGES)
    assert all(re.fullmatch(rf"({'|'.join(PAGES)})-(light|dark)-(1280|375)", name) for name in marks)


def test_a_missing_picture_is_an_error_where_all_are_wanted(
    screens: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it is left out."""
    text = "a\n<!-- screen: fleet-dark-375: The fleet -->\nb"
    given = {
        "page": SimpleNamespace(file=SimpleNamespace(src_uri="reference/x.md")),
        "config": {"docs_dir": str(tmp_path)},
        "files": None,
    }
    monkeypatch.delenv("PICTURES", raising=False)
    assert screens.on_page_markdown(text, **given) == "a\n\nb"
    monkeypatch.setenv("PICTURES", "all")
    with pytest.raises(PluginError, match=r"reference/x.md: expected img/console/fleet-dark-375.png"):
        screens.on_page_markdown(text, **given)
    picture = tmp_path / "img" / "console" / "fleet-dark-375.png"
    picture.parent.mkdir(parents=True)
    picture.touch()
    assert "![The fleet](../img/console/fleet-dark-375.png)" in screens.on_page_markdown(text, **given)
