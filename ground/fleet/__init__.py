"""What a fleet takes beyond one detector: its update repository, what its agents say, shadows and drift."""
