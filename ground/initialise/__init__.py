"""`ground init`: from a folder of recordings to a config and a contract that work."""

from ground.initialise.proposal import Proposal, propose

__all__ = ["Proposal", "propose"]
