"""Every block that nobody else runs, page by page, as a reader would type it (`make test-docs`; minutes)."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.blocks import ALL, COMMANDS, FILE, Block
from tests.docs.shell import run_blocks


def unmarked(block: Block) -> bool:
    """Whether it is for us to run."""
    return block.language in COMMANDS and not block.mark


PAGES = sorted({block.page for block in ALL if unmarked(block)})

FIGURES = {
    "index.md": {
        "64 faulty flights are too few to show a recall of 0.85 from 0.92": (
            r"^not a release: recall: expected >= 0\.85, got 0\.9[12]\d* from n=64 "
        ),
        "97 flights with healthy time to show 5 % from 3 with a false alarm": (
            r"^not a release: false_alarm_rate: expected <= 0\.05, got 0\.03093 from n=97 "
        ),
        "two gates say INSUFFICIENT": r"^(not a release: .* observations decide\n){2}(?!.* decide)",
    },
    "add-detector.md": {
        "in all 24 pumps with a fault and in none of the 72 sound ones": r"^faulty +0 +24\nhealthy +72 +0$",
        "AUC 0.9999": r"^not a release: auc: .* got 0\.9999 from n=18 ",
        "no false alarm, from 18 sound pumps": r"^not a release: false_alarm_rate: .* got 0 from n=18 ",
        "three gates say INSUFFICIENT": r"^(not a release: .* observations decide\n){3}(?!.* decide)",
    },
}
"""What pages tell in words of what their commands print, and how those print it."""


@pytest.mark.skipif(os.environ.get("DOCS") != "full", reason="minutes: make test-docs")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page(page: Path, tmp_path: Path) -> None:
    """From its first command to its last; they print what the page tells of them."""
    blocks = [block for block in ALL if block.page == page and (unmarked(block) or block.mark == FILE)]
    printed = run_blocks(blocks, tmp_path)
    text = " ".join(page.read_text(encoding="utf-8").split())
    for told, expected in FIGURES.get(page.name, {}).items():
        assert told in text, f"{page.name}: expected it to tell {told}"
        assert re.search(expected, printed, re.MULTILINE), f"{told}: expected {expected} in {printed}"
