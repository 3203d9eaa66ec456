"""Vibration of a rotating machine: tones of its shaft, impacts that ring its structure, and noise.

Sources: orders, gear mesh and sidebands: Randall, Vibration-based Condition Monitoring (2011), chapter 2; impacts of
bearing faults with slip: McFadden and Smith, J. Sound Vib. 96 (1984), and Antoni and Randall, MSSP 17 (2003).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Generator = np.random.Generator
Samples = NDArray[np.float64]

_JITTER = 0.001
_SPEED_KNOT_S = 0.5
_LEVEL_KNOT_S = 2.0
_HEIGHT_SPREAD = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A specimen in some state, as one sensor hears it.

    Attributes:
        shaft_hz: Its speed.
        tones: Order of the shaft and amplitude of each tone.
        impacts: Order and height of each train of impacts.
        modulation: Order and depth by which tones and impacts swell.
        noise: Standard deviation of the noise before the structure.
        resonances_hz: Of the structure.
        damping: Of every resonance.
        slip: Standard deviation of the time between two impacts, relative.
        wander: Relative slow change of the level within a recording.
    """

    shaft_hz: float
    tones: tuple[tuple[float, float], ...] = ()
    impacts: tuple[tuple[float, float], ...] = ()
    modulation: tuple[float, float] = (1.0, 0.0)
    noise: float = 0.1
    resonances_hz: tuple[float, ...] = ()
    damping: float = 0.05
    slip: float = 0.01
    wander: float = 0.05

    def louder(self, gain: float) -> Machine:
        """The same with every source ``gain`` times as strong."""
        return replace(
            self,
            noise=self.noise * gain,
            tones=tuple((order, amplitude * gain) for order, amplitude in self.tones),
            impacts=tuple((order, height * gain) for order, height in self.impacts),
        )

    def with_tones(self, *tones: tuple[float, float]) -> Machine:
        """The same with further tones."""
        return replace(self, tones=(*self.tones, *tones))

    def with_impacts(self, *impacts: tuple[float, float]) -> Machine:
        """The same with further impacts."""
        return replace(self, impacts=(*self.impacts, *impacts))


def specimen(kind: Machine, rng: Generator, *, spread: float) -> Machine:
    """One of its kind: each strength off by a factor of its own, resonances by a tenth of that.

    Args:
        kind: The kind.
        rng: Draws it.
        spread: Standard deviation of the logarithms.
    """

    def off(scale: float = spread) -> float:
        return float(np.exp(scale * rng.standard_normal()))

    return replace(
        kind,
        noise=kind.noise * off(),
        tones=tuple((order, amplitude * off()) for order, amplitude in kind.tones),
        impacts=tuple((order, height * off()) for order, height in kind.impacts),
        resonances_hz=tuple(hz * off(0.1 * spread) for hz in kind.resonances_hz),
    )


def vibration(
    machine: Machine,
    n: int,
    rate_hz: float,
    rng: Generator,
    *,
    speed: Samples | float = 1.0,
    gain: Samples | float = 1.0,
) -> Samples:
    """(n,) samples.

    Args:
        machine: Who is heard.
        n: How many.
        rate_hz: Sampling rate.
        rng: Draws noise, phases, jitter and wander.
        speed: (n,) factor on ``shaft_hz``.
        gain: (n,) factor on everything; a load, or a mount.
    """
    jitter = 1.0 + _JITTER * _slow(n, rate_hz, _SPEED_KNOT_S, rng)
    turns = np.cumsum(machine.shaft_hz * speed * jitter) / rate_hz + rng.uniform()
    swell = 1.0 + machine.modulation[1] * np.sin(2.0 * np.pi * machine.modulation[0] * turns)
    tones = np.zeros(n)
    for order, amplitude in machine.tones:
        # An anti-aliasing filter takes what the rate cannot carry.
        if order * machine.shaft_hz * float(np.max(speed)) < 0.45 * rate_hz:
            tones += amplitude * np.sin(2.0 * np.pi * (order * turns + rng.uniform()))
    struck = machine.noise * rng.standard_normal(n)
    for order, height in machine.impacts:
        struck += height * swell * _impacts(order * turns, machine.slip, rng)
    level = np.exp(machine.wander * _slow(n, rate_hz, _LEVEL_KNOT_S, rng))
    return np.asarray(gain * level * (swell * tones + _rung(struck, machine, rate_hz)))


def _slow(n: int, rate_hz: float, knot_s: float, rng: Generator) -> Samples:
    """(n,) of a standard normal value every ``knot_s``, straight between them."""
    knots = max(2, round(n / rate_hz / knot_s) + 1)
    return np.interp(np.linspace(0.0, knots - 1.0, n), np.arange(knots), rng.standard_normal(knots))


def _impacts(passes: Samples, slip: float, rng: Generator) -> Samples:
    """(n,) a spike of about 1 each time that ``passes`` passes a whole number, give or take the slip."""
    count = int(passes[-1] - passes[0]) + 1
    wanted = passes[0] + np.cumsum(1.0 + slip * rng.standard_normal(count))
    at = np.searchsorted(passes, wanted)
    spikes = np.zeros(len(passes))
    at = at[at < len(passes)]
    spikes[at] = 1.0 + _HEIGHT_SPREAD * rng.standard_normal(len(at))
    return spikes


def _rung(struck: Samples, machine: Machine, rate_hz: float) -> Samples:
    """What arrives of a force: itself, and the ring of each resonance that the rate can carry."""
    carried = [hz for hz in machine.resonances_hz if hz < 0.45 * rate_hz]
    if not carried:
        return struck
    frequency = np.fft.rfftfreq(len(struck), 1.0 / rate_hz)
    response = np.full(len(frequency), 0.3, dtype=np.complex128)
    for hz in carried:
        ratio = frequency / hz
        response += 2j * machine.damping * ratio / (1.0 - ratio**2 + 2j * machine.damping * ratio) * 2.0
    return np.fft.irfft(np.fft.rfft(struck) * response, len(struck))
