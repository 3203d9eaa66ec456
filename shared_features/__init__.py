"""Vibration features that ground and edge compute alike, bit for bit."""
