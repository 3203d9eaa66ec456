"""Figures: what was measured, as numbers for ``static/plots.js``, as coordinates, and as sentences for everybody."""
