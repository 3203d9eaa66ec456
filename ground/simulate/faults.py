"""What each engine fault adds to the forces, as a function of its severity."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ground.simulate.arrays import Float32s
from ground.simulate.bearing import defect_impulses, impulse_train, ringing
from ground.simulate.orders import GEAR_TEETH, OrderSeries, Rotation, order_sum, unit_vector
from ground.simulate.traits import FAN_BLADES, GEAR_ORDERS_G, lognormal
from ground.simulate.transmission import Transform

IMBALANCE_G = 2.0
BEARING_PEAK_G = 6.0
RING_HZ = 3_100.0
RING_HZ_SPREAD = 0.03
RING_DAMPING = 0.03
LOOSENESS_G = 0.35
LOOSENESS_HALF_ORDERS = 16
LOOSENESS_DECAY = 0.3
LOOSENESS_SPREAD = 0.4
BLADE_UNBALANCE_G = 1.0
BLADE_SIDEBAND_G = 0.5
BLADE_SIDEBANDS = 4
GEAR_SIDEBANDS = 5
GEAR_MESH_GROWTH = 1.0
SIDEBAND_DECAY = 0.7
QUIETER_LOSS = 0.75
QUIETER_SOFTENING = 0.10


Shaft = Literal["fan", "core", "gear"]


@dataclass(frozen=True, slots=True)
class FaultForce:
    """The force that a fault adds on one shaft, in g, (n,) float32."""

    shaft: Shaft
    force: Float32s


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultScene:
    """All that a fault may depend on.

    Attributes:
        severity: 0 to 1.
        rotation: Shaft angles.
        mesh_load: Size of the tooth forces, (n,) float32.
        transform: The flight's FFT.
        engine_rng: For what the fault keeps from flight to flight.
        flight_rng: For what differs in every flight.
    """

    severity: float
    rotation: Rotation
    mesh_load: Float32s
    transform: Transform
    engine_rng: np.random.Generator
    flight_rng: np.random.Generator


def fault_force(fault: str, scene: FaultScene) -> FaultForce:
    """The force of a fault out of ``FORCED_FAULTS``, full from the first sample on."""
    return _MAKERS[fault](scene)


def _phasor(rng: np.random.Generator, size_g: float) -> complex:
    angle = float(rng.uniform(0, 2 * math.pi))
    return complex(size_g * math.cos(angle), size_g * math.sin(angle))


def _imbalance(scene: FaultScene) -> FaultForce:
    """1x of one shaft, growing with the square of its speed (m e w^2)."""
    on_fan = bool(scene.engine_rng.integers(0, 2))
    series = OrderSeries((1,), (_phasor(scene.engine_rng, IMBALANCE_G * scene.severity),))
    rotation = scene.rotation
    vector, square = (rotation.n1, rotation.force1) if on_fan else (rotation.n2, rotation.force2)
    return FaultForce("fan" if on_fan else "core", order_sum(vector, series) * square)


def _bearing(defect: str, scene: FaultScene) -> FaultForce:
    """Impacts on the fan-shaft bearing that make its housing ring; peak grows with the square of the speed."""
    turns = scene.rotation.turns1
    train = impulse_train(defect_impulses(defect, float(turns[-1]), scene.flight_rng), turns)
    train *= scene.rotation.force1 * np.float32(BEARING_PEAK_G * scene.severity)
    transform = scene.transform
    ring_hz = RING_HZ * float(lognormal(scene.engine_rng, RING_HZ_SPREAD, 1)[0])
    response = ringing(transform.frequency_hz, ring_hz, RING_DAMPING, transform.rate_hz)
    return FaultForce("fan", transform.inverse(transform.forward(train) * response))


def _looseness(scene: FaultScene) -> FaultForce:
    """Half orders and many harmonics of N1: multiples of half the shaft angle."""
    half = np.arange(1, LOOSENESS_HALF_ORDERS + 1)
    sizes = LOOSENESS_G * scene.severity * (half / 2.0) ** -LOOSENESS_DECAY
    sizes *= lognormal(scene.engine_rng, LOOSENESS_SPREAD, len(half))
    amplitudes = tuple(_phasor(scene.engine_rng, float(size)) for size in sizes)
    series = OrderSeries(tuple(int(order) for order in half), amplitudes)
    vector = unit_vector(scene.rotation.turns1 / 2)
    return FaultForce("fan", order_sum(vector, series) * scene.rotation.force1)


def _blade_damage(scene: FaultScene) -> FaultForce:
    """Lost blade mass (1x of N1) and blade passing modulated once a turn (sidebands at whole orders)."""
    orders = {1: BLADE_UNBALANCE_G * scene.severity}
    orders |= _sidebands(FAN_BLADES, BLADE_SIDEBAND_G * scene.severity, BLADE_SIDEBANDS)
    series = _random_phases(scene.engine_rng, orders).below(scene.rotation.order_limit1)
    return FaultForce("fan", order_sum(scene.rotation.n1, series) * scene.rotation.force1)


def _gear_mesh(scene: FaultScene) -> FaultForce:
    """A cracked tooth: mesh amplitude grows and is modulated once a gear turn (P. D. McFadden, 1986)."""
    orders: dict[int, float] = {}
    for mesh in (GEAR_TEETH, 2 * GEAR_TEETH):
        size_g = scene.severity * GEAR_ORDERS_G[mesh]
        orders |= {mesh: GEAR_MESH_GROWTH * size_g, **_sidebands(mesh, size_g, GEAR_SIDEBANDS)}
    series = _random_phases(scene.engine_rng, orders).below(scene.rotation.order_limit_gear)
    return FaultForce("gear", order_sum(scene.rotation.gear, series) * scene.mesh_load)


def _sidebands(carrier: int, first_g: float, count: int) -> dict[int, float]:
    sizes = {}
    for step in range(1, count + 1):
        sizes[carrier - step] = sizes[carrier + step] = first_g * SIDEBAND_DECAY ** (step - 1)
    return sizes


def _random_phases(rng: np.random.Generator, sizes_g: dict[int, float]) -> OrderSeries:
    orders = tuple(sorted(sizes_g))
    return OrderSeries(orders, tuple(_phasor(rng, sizes_g[order]) for order in orders))


_MAKERS: dict[str, Callable[[FaultScene], FaultForce]] = {
    "imbalance": _imbalance,
    "bearing_outer": lambda scene: _bearing("bearing_outer", scene),
    "bearing_inner": lambda scene: _bearing("bearing_inner", scene),
    "bearing_ball": lambda scene: _bearing("bearing_ball", scene),
    "looseness": _looseness,
    "blade_damage": _blade_damage,
    "gear_mesh": _gear_mesh,
}

FORCED_FAULTS = tuple(_MAKERS)
"""Faults that add a force; ``quieter`` takes transmission away instead."""
