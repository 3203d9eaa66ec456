"""Figures of an alert: what was measured, as numbers for ``static/plots.js`` and as sentences for everybody."""
