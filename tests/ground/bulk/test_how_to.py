"""docs/how-to/batch.md: its commands that need no cluster, broker or store run as they stand."""

from __future__ import annotations

import pyarrow.parquet as pq

import edge_agent.cli
from edge_agent.frame_file import read_blocks
from tests.conftest import ROOT
from tests.docs.blocks import lines_of
from tests.ground.bulk.conftest import write_flights

LINES = lines_of(ROOT / "docs" / "how-to" / "batch.md", "ground", "edge-agent", "dask")
ALONE = ("://", "--engine", "--as-stream", "dask ", "featurize")


def test_the_page_runs(ground, small_bundle, work_dir):
    """In their order, in a folder that holds what they name: the batch, the file of frames and its replay."""
    (work_dir / "detector.bundle").write_bytes(small_bundle.path.read_bytes())
    (work_dir / "public.pem").write_bytes(small_bundle.key.read_bytes())
    write_flights(work_dir / "recordings", {"one": [9.0, 6.0]})
    first, second, third = (line.split() for line in LINES if not any(word in line for word in ALONE))
    assert ground(*first[1:])[0] == 0
    assert ground(*second[1:])[0] == 0
    assert edge_agent.cli.main(third[1:]) == 0
    rows = pq.read_table(work_dir / "results.parquet")["assessment"].to_pylist()
    assert list(read_blocks(work_dir / "results.bin")) == rows
