"""One flight from its plan to samples: forces, structure, sensor. Pure; no file is touched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ground.simulate.arrays import Complex64s, Float32s, Int8s
from ground.simulate.config import FleetConfig
from ground.simulate.faults import (
    FORCED_FAULTS,
    QUIETER_LOSS,
    QUIETER_SOFTENING,
    FaultScene,
    Shaft,
    fault_force,
)
from ground.simulate.orders import OrderSeries, Rotation, order_sum, power, pulses, rotate
from ground.simulate.plan import FlightPlan, Stream, random_stream
from ground.simulate.profile import Conditions, bus_speed, fly
from ground.simulate.sensor import SensorFault, add_noise, break_sensor, quantise
from ground.simulate.traits import (
    FAN_BLADES,
    FLIGHT_GAIN_SPREAD,
    EngineTraits,
    Mount,
    draw_traits,
    lognormal,
    vary_flight,
)
from ground.simulate.transmission import Transform, accelerance, flow_colour, rumble_colour

ONSET_RAMP_S = 2.0
NOISE_FLOOR_SHARE = 0.25
MESH_IDLE_SHARE = 0.3
TIP_NOISE_RATE_HZ = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FlightRecord:
    """What the recorder stored of one flight.

    Attributes:
        samples: Acceleration in g, one row a channel, (n_channels, n) float32.
        phase: Index into ``PHASES``, (n,) int8.
        n1_hz: Reported fan-shaft speed, (n,) float32.
        n2_hz: Reported core-shaft speed, (n,) float32.
        anomaly: 1 where the engine is faulty, (n,) int8.
        tach_n1: 1 where the fan shaft passes its mark, once a turn, (n,) int8.
    """

    samples: Float32s
    phase: Int8s
    n1_hz: Float32s
    n2_hz: Float32s
    anomaly: Int8s
    tach_n1: Int8s


@dataclass(slots=True, kw_only=True)
class Forces:
    """Forces on the three shafts in g, (n,) float32 each."""

    fan: Float32s
    core: Float32s
    gear: Float32s

    def add(self, shaft: Shaft, force: Float32s) -> None:
        """Add a force on one shaft."""
        target: Float32s = getattr(self, shaft)
        target += force


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One flight in the making."""

    config: FleetConfig
    plan: FlightPlan
    traits: EngineTraits
    conditions: Conditions
    rotation: Rotation
    transform: Transform

    def stream(self, purpose: Stream) -> np.random.Generator:
        """The flight's own generator of one purpose."""
        return random_stream(self.config.seed, self.plan.engine, purpose, self.plan.flight)


def simulate_flight(config: FleetConfig, plan: FlightPlan) -> FlightRecord:
    """Simulate one flight; the same config and plan give the same bytes on the same machine."""
    rng = random_stream(config.seed, plan.engine, Stream.FLIGHT, plan.flight)
    conditions = fly(config.sampling_rate_hz, config.n_samples, rng)
    return record_flight(config, plan, conditions, rng)


def record_flight(
    config: FleetConfig,
    plan: FlightPlan,
    conditions: Conditions,
    rng: np.random.Generator,
) -> FlightRecord:
    """Record the engine of ``plan`` under given conditions.

    Args:
        config: The fleet.
        plan: Engine, fault and onset.
        conditions: Speeds, loads and phases, lead-in included.
        rng: Source of the flight's own variation.
    """
    scene = Scene(
        config=config,
        plan=plan,
        traits=draw_traits(random_stream(config.seed, plan.engine, Stream.TRAITS)),
        conditions=conditions,
        rotation=rotate(conditions),
        transform=Transform(len(conditions.load), conditions.rate_hz),
    )
    forces = _healthy_forces(scene, rng)
    _add_fault(scene, forces)
    signals = [_measure(scene, mount, forces, rng) for mount in scene.traits.mounts[: config.n_channels]]
    kept = slice(conditions.settle_n, None)
    return FlightRecord(
        samples=_convert(scene, [signal[kept] for signal in signals]),
        phase=conditions.phase[kept],
        n1_hz=bus_speed(conditions.n1_hz[kept], conditions.rate_hz),
        n2_hz=bus_speed(conditions.n2_hz[kept], conditions.rate_hz),
        anomaly=_anomaly(scene)[kept],
        tach_n1=pulses(scene.rotation.turns1)[kept],
    )


def mesh_load(conditions: Conditions) -> Float32s:
    """Tooth forces follow the load, down to an idle share, (n,) float32."""
    return MESH_IDLE_SHARE + (1 - MESH_IDLE_SHARE) * conditions.load


def _healthy_forces(scene: Scene, rng: np.random.Generator) -> Forces:
    rotation = scene.rotation

    def shaft(vector: Complex64s, series: OrderSeries, limit: float, size: Float32s) -> Float32s:
        return order_sum(vector, vary_flight(series, rng).below(limit)) * size

    forces = Forces(
        fan=shaft(rotation.n1, scene.traits.fan, rotation.order_limit1, rotation.force1),
        core=shaft(rotation.n2, scene.traits.core, rotation.order_limit2, rotation.force2),
        gear=shaft(rotation.gear, scene.traits.gear, rotation.order_limit_gear, mesh_load(scene.conditions)),
    )
    forces.fan += _tip_noise(scene, rng)
    return forces


def _tip_noise(scene: Scene, rng: np.random.Generator) -> Float32s:
    """Narrow-band noise around blade passing: the tone, multiplied by slow complex turbulence."""
    n = len(scene.conditions.load)
    rate_hz = scene.conditions.rate_hz
    grid = np.arange(int(n / rate_hz * TIP_NOISE_RATE_HZ) + 2) * (rate_hz / TIP_NOISE_RATE_HZ)
    parts = rng.normal(0, scene.traits.tip_noise_g, (2, len(grid)))
    blades = power(scene.rotation.n1, FAN_BLADES)
    real, imaginary = (np.interp(np.arange(n), grid, part).astype(np.float32) for part in parts)
    noise: Float32s = (blades.real * real - blades.imag * imaginary) * scene.rotation.force1
    return noise


def _add_fault(scene: Scene, forces: Forces) -> None:
    if scene.plan.fault not in FORCED_FAULTS:
        return
    fault_scene = FaultScene(
        severity=scene.plan.severity,
        rotation=scene.rotation,
        mesh_load=mesh_load(scene.conditions),
        transform=scene.transform,
        engine_rng=random_stream(scene.config.seed, scene.plan.engine, Stream.FAULT),
        flight_rng=scene.stream(Stream.IMPACTS),
    )
    added = fault_force(scene.plan.fault, fault_scene)
    forces.add(added.shaft, added.force * _growth(scene))


def _growth(scene: Scene) -> Float32s:
    """How much of the fault is there at each sample: all of it, or a ramp of two seconds from its onset."""
    n = len(scene.conditions.load)
    if scene.plan.onset_s == 0:
        return np.ones(n, np.float32)
    time_s = (np.arange(n) - scene.conditions.settle_n) / scene.conditions.rate_hz
    return np.clip((time_s - scene.plan.onset_s) / ONSET_RAMP_S, 0, 1).astype(np.float32)


def _measure(scene: Scene, mount: Mount, forces: Forces, rng: np.random.Generator) -> Float32s:
    """Acceleration at one sensor in g, (n,) float32, lead-in included."""
    transform = scene.transform
    shafts = np.float32(mount.fan) * forces.fan
    shafts += np.float32(mount.core) * forces.core
    shafts += np.float32(mount.gear) * forces.gear
    spectrum = transform.forward(shafts) + _flow_spectrum(scene, rng)
    spectrum *= np.float32(lognormal(rng, FLIGHT_GAIN_SPREAD, 1)[0])
    healthy = transform.inverse(spectrum * accelerance(mount, transform.frequency_hz))
    if scene.plan.fault != "quieter":
        return healthy
    severity = scene.plan.severity
    soft = accelerance(mount, transform.frequency_hz, 1 - QUIETER_SOFTENING * severity)
    quieter = transform.inverse(spectrum * soft) * np.float32(1 - QUIETER_LOSS * severity)
    return healthy + _growth(scene) * (quieter - healthy)


def _flow_spectrum(scene: Scene, rng: np.random.Generator) -> Complex64s:
    """Broadband flow noise that grows with the load, and combustion rumble that grows with its root."""
    transform = scene.transform
    load = scene.conditions.load
    frequency_hz = transform.frequency_hz
    flow = rng.standard_normal(len(load), np.float32) * (NOISE_FLOOR_SHARE + (1 - NOISE_FLOOR_SHARE) * load)
    rumble = rng.standard_normal(len(load), np.float32) * np.sqrt(load)
    spectrum = transform.forward(flow) * (flow_colour(frequency_hz) * np.float32(scene.traits.flow_noise_g))
    spectrum += transform.forward(rumble) * (rumble_colour(frequency_hz) * np.float32(scene.traits.rumble_g))
    return spectrum


def _convert(scene: Scene, signals: list[Float32s]) -> Float32s:
    """Through the converter; a sensor fault strikes one of the sensors."""
    rng = scene.stream(Stream.SENSOR)
    broken = int(rng.integers(0, len(signals)))
    rows = []
    for index, signal in enumerate(signals):
        noisy = add_noise(signal, rng)
        if scene.plan.has_sensor_fault and index == broken:
            onset_n = round(scene.plan.onset_s * scene.conditions.rate_hz)
            fault = SensorFault(name=scene.plan.fault, onset_n=onset_n, rate_hz=scene.conditions.rate_hz)
            rows.append(break_sensor(noisy, fault, rng))
        else:
            rows.append(quantise(noisy))
    return np.stack(rows)


def _anomaly(scene: Scene) -> Int8s:
    time_n = np.arange(len(scene.conditions.load)) - scene.conditions.settle_n
    begun = time_n >= round(scene.plan.onset_s * scene.conditions.rate_hz)
    return (begun & scene.plan.has_engine_fault).astype(np.int8)
