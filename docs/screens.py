"""Pictures of the console for mkdocs: shown where `make test-console` has taken them, left out where it has not.

With ``PICTURES=all`` (``make docs-console``, each night) one that is missing is an error.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

FOLDER = Path("img") / "console"
MARK = re.compile(r"^<!-- screen: (?P<name>[a-z0-9-]+): (?P<text>.+) -->$", re.MULTILINE)
"""Stands in a page where a picture may be: its name without the ending, and what it shows."""


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Put pictures in the place of their marks.

    Raises:
        PluginError: One is missing, and all are wanted.
    """
    del files
    up = "../" * page.file.src_uri.count("/")
    needs_all = os.environ.get("PICTURES") == "all"

    def picture(found: re.Match[str]) -> str:
        name = FOLDER / f"{found['name']}.png"
        if (Path(config["docs_dir"]) / name).is_file():
            return f"![{found['text']}]({up}{name.as_posix()})"
        if needs_all:
            raise PluginError(f"{page.file.src_uri}: expected {name} in docs, got none; run make test-console")
        return ""

    return MARK.sub(picture, markdown)
