"""The same features by other libraries: checked equal, then timed against ours."""
