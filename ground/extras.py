"""How what is optional gets installed."""

from __future__ import annotations


def installing(extra: str) -> str:
    """What to do where an extra of enginear-ground is missing.

    No package index has our packages: by name, pip would take a stranger's.
    """
    command = f"pip install -c constraints.txt -e 'ground[{extra}]'"
    return f"{command} in the source tree; elsewhere docs/how-to/install-ground.md"
