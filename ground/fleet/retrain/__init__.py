"""Retraining: which flights a detector is trained on anew, and its way from there to the shadow."""
