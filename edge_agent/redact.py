"""Take secrets out of what leaves the machine. Reads nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig

REMOVED: Final = "(removed)"

_SHORTEST = 3
"""Shorter ones are no secrets, and taking them out would take everything else apart."""
_SECRET_KEY = re.compile(r"passw|passphrase|secret|token|credential|private", re.IGNORECASE)
_PATTERNS: Final = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), REMOVED),
    (re.compile(r"(\w+://[^\s/:@]*:)[^\s/@]+@"), rf"\1{REMOVED}@"),
    (
        re.compile(
            r"""((?:password|passwd|passphrase|secret|token|authorization)["']?\s*[=:]\s*)("[^"\n]*"|'[^'\n]*'|[^\s,;}]+)""",
            re.IGNORECASE,
        ),
        rf'\1"{REMOVED}"',
    ),
)
"""What looks like a secret, wherever it stands: a private key, a password in an address, a value of a telling name."""


def secret_files(config: AgentConfig) -> list[Path]:
    """The files of a config that hold a secret as a text: those whose key says so."""
    broker = asdict(config.broker)
    return [path for key, path in broker.items() if isinstance(path, Path) and _SECRET_KEY.search(key)]


def redact(value: Any, key: str = "") -> Any:
    """A copy of a config's value that JSON can hold, without the texts under keys that name a secret.

    Paths stay: where a secret lies is no secret.
    """
    if isinstance(value, Mapping):
        return {name: redact(part, str(name)) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact(part, key) for part in value]
    if isinstance(value, Path):
        return str(value)
    return REMOVED if isinstance(value, str) and value and _SECRET_KEY.search(key) else value


def scrub(text: str, secrets: Iterable[str]) -> str:
    """``text`` without ``secrets``, also as JSON or an address spells them, and without what looks like one."""
    spelled = {form for secret in secrets for form in (secret, json.dumps(secret)[1:-1], quote(secret, safe=""))}
    for form in sorted(spelled, key=len, reverse=True):
        if len(form) >= _SHORTEST:
            text = text.replace(form, REMOVED)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
