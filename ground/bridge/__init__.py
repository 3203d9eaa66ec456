"""Bridges between what agents say and what a plant speaks."""
