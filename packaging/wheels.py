"""Build the wheel of one package folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def build_wheel(name: str, out: Path) -> Path:
    """Build the wheel of the package folder ``name`` into ``out``; it must be the only one there."""
    # A copy: setuptools leaves a build folder in the tree, and what lies in it would reach the next wheel.
    source = shutil.copytree(ROOT / name, out / "source" / name, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    arguments = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(out / name), str(source)]
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    (wheel,) = (out / name).glob("*.whl")
    return wheel
