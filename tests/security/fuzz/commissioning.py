"""A commissioning policy that fits the honest bundle, every field in use."""

from __future__ import annotations

from edge_agent.commissioning_policy import CommissioningPolicy, ExpectedLevels, KnownUnit, PhaseThreshold
from tests.security.conftest import N_FEATURE


def honest_policy() -> bytes:
    """Its JSON."""
    zeros = (0.0,) * N_FEATURE
    expected = ExpectedLevels(offset=zeros, columns=(N_FEATURE - 1,), low=(-1.0,), width=(2.0,), steps=(zeros,))
    return CommissioningPolicy(
        flights=2,
        windows=16,
        spans=(5.0,),
        limits=(1.0,) * (N_FEATURE - 1) + (0.0,),
        expected=expected,
        pooled=1.0,
        phases=(PhaseThreshold(phase="cruise", threshold=2.0),),
        confidence=0.95,
        units=20,
        known=(KnownUnit(engine="OO-ABC/1", shift=zeros),),
    ).to_json()
