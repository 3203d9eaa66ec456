"""Wheels of our packages and the versions they were tested with, in dist/, for a machine without the source tree."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from wheels import ROOT, build_wheel

PACKAGES = ("shared_features", "edge_agent", "ground")


def main() -> None:
    """Build them; says what was made."""
    dist = ROOT / "dist"
    dist.mkdir(exist_ok=True)
    for name in PACKAGES:
        for older in dist.glob(f"enginear_{name}-*.whl"):
            older.unlink()
        with tempfile.TemporaryDirectory() as folder:
            print(shutil.copy(build_wheel(name, Path(folder)), dist))
    print(shutil.copy(ROOT / "constraints.txt", dist))


if __name__ == "__main__":
    main()
