"""Every block that nobody else runs, page by page, as a reader would type it (`make test-docs`; minutes)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.blocks import ALL, COMMANDS, FILE, Block
from tests.docs.shell import run_blocks


def unmarked(block: Block) -> bool:
    """Whether it is for us to run."""
    return block.language in COMMANDS and not block.mark


PAGES = sorted({block.page for block in ALL if unmarked(block)})


@pytest.mark.skipif(os.environ.get("DOCS") != "full", reason="minutes: make test-docs")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page(page: Path, tmp_path: Path) -> None:
    """From its first command to its last."""
    run_blocks([block for block in ALL if block.page == page and (unmarked(block) or block.mark == FILE)], tmp_path)
