"""Batch beyond one machine: recordings of any store, shared out to processes or a cluster, resumed after a kill."""
