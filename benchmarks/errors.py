"""Errors of the benchmarks."""

from __future__ import annotations


class BenchmarkError(Exception):
    """A benchmark cannot measure; its text is shown as it is."""
