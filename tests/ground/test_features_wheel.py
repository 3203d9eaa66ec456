"""The wheel of the ground holds every room of the tree, and every file that is no code."""

from __future__ import annotations

import tomllib
from pathlib import Path

import ground

ROOT = Path(ground.__file__).parent
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
FILES = [path for path in ROOT.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


ROOMS = {path.parent for path in FILES if path.suffix == ".py"} | {ROOT}


def package_of(path):
    """The package to which a file belongs: the nearest folder that holds code, or that of the configs."""
    room = next(parent for parent in path.parents if parent in ROOMS or parent.name == "configs")
    return ".".join(("ground", *room.relative_to(ROOT).parts))


def test_every_room_is_listed():
    """A subpackage that the pyproject does not name vanishes from the wheel."""
    rooms = {package_of(path) for path in FILES if ".egg-info" not in str(path)}
    assert set(SETUPTOOLS["packages"]) == rooms
    assert SETUPTOOLS["packages"] == sorted(SETUPTOOLS["packages"])


def test_every_data_file_is_listed():
    """Templates, styles and configs are read at run time."""
    patterns = SETUPTOOLS["package-data"]
    data = [path for path in FILES if path.suffix not in {".py", ".toml"} and ".egg-info" not in str(path)]
    lost = [path for path in data if not any(path.match(one) for one in patterns.get(package_of(path), ()))]
    assert lost == []
