"""Let the agent of another interpreter verify a bundle made here: its signature, golden features and golden scores.

Run ``python -m tests.determinism.agent_elsewhere PYTHON``; it needs the edge's libraries, and exits 1 on a refusal.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.bench_bundle import FLEET, make_bundle
from tests.determinism.configurations import ROOT


def main(python: str) -> int:
    """Print what the agent says; 1 when it refuses."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = make_bundle(Path(folder), n_channel=1)
        command = ["verify", str(bundle.path), "--key", str(bundle.public_key), "--fleet", FLEET]
        verified = subprocess.run(
            [str(Path(python).absolute()), "-m", "edge_agent", *command],
            check=False,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    return 1 if verified.returncode else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
