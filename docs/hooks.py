"""Navigation for mkdocs: a section a folder, its pages in the order of the index, then all others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

SECTIONS = {
    "tutorial": "Tutorial",
    "how-to": "How-to",
    "reference": "Reference",
    "explanation": "Explanation",
    "adr": "Decisions",
}
"""Folders and what they are called."""
ELSEWHERE = {"architecture.md": "explanation"}
"""Pages that lie outside the folder of their section."""


def on_config(config: Any) -> Any:
    """Give mkdocs the navigation."""
    config["nav"] = navigation(Path(config["docs_dir"]))
    return config


def navigation(folder: Path) -> list[Any]:
    """The pages of ``folder`` by section; none is left out."""
    linked = re.findall(r"\]\(([\w./-]+\.md)", (folder / "index.md").read_text(encoding="utf-8"))
    pages = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.md"))
    # Those that the index does not link to come last, in their alphabetical order.
    pages.sort(key=lambda page: linked.index(page) if page in linked else len(linked))
    sections: dict[str, list[str]] = {name: [] for name in SECTIONS}
    for page in pages:
        if page != "index.md":
            sections.setdefault(ELSEWHERE.get(page, page.partition("/")[0]), []).append(page)
    return ["index.md", *({SECTIONS.get(name, name): listed} for name, listed in sections.items() if listed)]
