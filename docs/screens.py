"""Pictures of the console for mkdocs: shown where `make test-console` has taken them, left out where it has not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

FOLDER = Path("img") / "console"
MARK = re.compile(r"^<!-- screen: (?P<name>[a-z0-9-]+): (?P<text>.+) -->$", re.MULTILINE)
"""Stands in a page where a picture may be: its name without the ending, and what it shows."""


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Put pictures in the place of their marks."""
    del files
    up = "../" * page.file.src_uri.count("/")

    def picture(found: re.Match[str]) -> str:
        name = FOLDER / f"{found['name']}.png"
        is_there = (Path(config["docs_dir"]) / name).is_file()
        return f"![{found['text']}]({up}{name.as_posix()})" if is_there else ""

    return MARK.sub(picture, markdown)
