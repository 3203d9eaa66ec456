"""The update repository: bundles on their way to the fleet, signed roles after The Update Framework (TUF)."""
