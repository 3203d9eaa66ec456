"""A model card, Markdown, as HTML that a page may hold."""

from __future__ import annotations

import re
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

_HEAD: Final = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_DEEPER: Final = 2
"""A page and its section have headings of their own above the card's."""
_DEEPEST: Final = 6


def card_html(text: str) -> Markup:
    """The card without its head for programs; HTML in it stays text, and no link runs anything.

    Args:
        text: Markdown with an optional head of YAML.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image"])
    tokens = parser.parse(_HEAD.sub("", text))
    for token in tokens:
        _deepen(token)
    # The parser escapes every text; with html off nothing of the card's own markup passes.
    return Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704


def _deepen(token: Token) -> None:
    if token.type in ("heading_open", "heading_close"):
        token.tag = f"h{min(int(token.tag[1:]) + _DEEPER, _DEEPEST)}"
    if token.type == "table_open":
        token.attrSet("class", "card-table")
