"""The demo: the main job once, end to end, with real parts only."""
