"""From a page's record to HTML: every text is escaped, and nothing is fetched from anywhere."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

from jinja2 import DictLoader, Environment, StrictUndefined

_MACROS: Final = "macros.html"


def render_page(template: str, page: Any) -> str:
    """The page as HTML.

    Args:
        template: Name of the template in this package; it finds the record as ``page``.
        page: What it shows.
    """
    folder = files("ground.report")
    sources = {name: (folder / name).read_text(encoding="utf-8") for name in (_MACROS, template)}
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=DictLoader(sources)
    )
    style = (folder / "style.css").read_text(encoding="utf-8")
    return environment.get_template(template).render(page=page, style=style)
