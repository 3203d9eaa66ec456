"""Make an environment that holds the edge alone, as on board: its wheels and the hash-locked requirements.

Run as ``python packaging/edge_venv.py FOLDER``.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from check_edge_alone import EDGE, install
from wheels import build_wheel


def main(folder: Path) -> None:
    """Make the environment, in place of any that is there."""
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as work:
        install(folder, [build_wheel(name, Path(work)) for name in EDGE])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
