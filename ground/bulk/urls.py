"""URLs of stores: which of them are paths of this machine, and what of one may be shown."""

from __future__ import annotations

import re
from pathlib import Path

from ground.errors import one_line

SCHEME = "://"
HELP = "see docs/how-to/batch.md"

_LOCAL = "file://"
_LOGIN = re.compile(rf"{SCHEME}([^/:]*:.*|[^/]*)@")
"""Of a URL up to its question mark. A secret may hold a slash, though a URL should spell that otherwise."""
_MOST_SHOWN = 300


def local_path(text: str) -> Path | None:
    """The absolute path that a path or a URL means; None where it is one of another machine."""
    path = text.removeprefix(_LOCAL) if text.startswith(f"{_LOCAL}/") else text
    return None if SCHEME in path else Path(path).absolute()


def without_login(url: str) -> str:
    """A URL without name and password, and with what follows its question mark."""
    base, mark, options = url.partition("?")
    return f"{_LOGIN.sub(SCHEME, base)}{mark}{options}"


def plain(url: str) -> str:
    """A URL without what may be a secret: a name and password, and what follows a question mark."""
    return without_login(url.partition("?")[0])


def shown_place(text: str) -> str:
    """A path as it was written, or a URL without what may be a secret."""
    return plain(text) if SCHEME in text else text


def line_of(error: Exception, url: str = "") -> str:
    """The text of an error in one short line, without what may be a secret in a URL."""
    text = one_line(error)
    for secret in sorted(_secrets_of(url), key=len, reverse=True):
        text = text.replace(secret, "...")
    return text[:_MOST_SHOWN]


def _secrets_of(url: str) -> set[str]:
    base, _, options = url.partition("?")
    found = _LOGIN.search(base)
    login = found[1] if found else ""
    return {login, login.partition(":")[2], options, *options.split("&")} - {""}
