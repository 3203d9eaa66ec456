"""Detectors in Python: a signed bundle scores arrays, tables and folders of recordings."""
