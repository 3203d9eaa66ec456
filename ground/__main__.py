"""``python -m ground``."""

from __future__ import annotations

from ground.cli import main

main()
