"""Benchmarks: what the agent promises, measured and gated on ratios."""
