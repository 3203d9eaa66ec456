"""Which schema the evidence has: its layout, and what its numbers mean. Not in the record, which takes torch along."""

from __future__ import annotations

from typing import Final

SCHEMA: Final = 3
BEFORE: Final = 2
"""There the gates measured something else: false alarms and AUC by window, recall without what was not assessed."""
