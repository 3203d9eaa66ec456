"""Signals with the same bits on every machine: integers, and float64 of + - x / sqrt floor alone; no libm, no FFT.

Elementwise, numpy rounds each of these operations as IEEE 754 says, whatever the processor. Sines are polynomials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SHAFT_TURNS_PER_S = 29.5
"""Speed of the shaft in the signals that have one."""
RUN_UP_PER_S = 0.1
"""By which share of its first speed the shaft of the run-up gains speed in a second."""

_TAYLOR_TERMS = range(21, 1, -2)
_TWO_PI = 6.283185307179586


def sine(turns: Floats) -> Floats:
    """``sin(2 pi turns)`` within a few units in the last place of 1."""
    share = turns - np.floor(turns)
    half = np.where(share > 0.5, share - 0.5, share)
    x = np.where(half > 0.25, 0.5 - half, half) * _TWO_PI
    square = x * x
    series = np.ones_like(x)
    for k in _TAYLOR_TERMS:
        series = 1.0 - series * square / float(k * (k - 1))
    return np.where(share > 0.5, -1.0, 1.0) * (x * series)


def noise(n: int, seed: int) -> Floats:
    """White noise, close to Gaussian, of RMS 1: sums of twelve uniform integers."""
    uniform = np.random.default_rng(seed).integers(-(2**20), 2**20, (12, n))
    return uniform.sum(axis=0) / 2.0**20 / 2.0


def seconds(rate_hz: float, n: int) -> Floats:
    """Time of each sample."""
    return np.arange(n) / rate_hz


def run_up_turns(t_s: Floats) -> Floats:
    """Revolutions of the shaft of the run-up."""
    return SHAFT_TURNS_PER_S * t_s * (1.0 + 0.5 * RUN_UP_PER_S * t_s)


def run_up_pulses(rate_hz: float, n: int, pulses_per_rev: float) -> Floats:
    """Positions, in samples, of the tachometer pulses of the run-up."""
    last = np.floor(run_up_turns(np.array([n / rate_hz]))[0] * pulses_per_rev)
    turns = np.arange(0.25, last + 1.0) / pulses_per_rev
    root = np.sqrt(1.0 + 2.0 * RUN_UP_PER_S * turns / SHAFT_TURNS_PER_S)
    at_n = (root - 1.0) / RUN_UP_PER_S * rate_hz
    return at_n[at_n < n]


def _broadband(t_s: Floats, seed: int) -> Floats:
    return noise(t_s.size, seed)


def _red(t_s: Floats, seed: int) -> Floats:
    """A running sum in integers, so that its order does not matter."""
    walk = np.cumsum(np.random.default_rng(seed).integers(-(2**12), 2**12 + 1, t_s.size))
    return (walk - walk[0]) / 2.0**16


def _tone_on_a_line(t_s: Floats, seed: int) -> Floats:
    """Nothing but rounding between its lines: what an exact transform would give as zero."""
    del seed
    return sine(100.0 * t_s)


def _tone_between_lines(t_s: Floats, seed: int) -> Floats:
    return sine((101.3 + seed % 7) * t_s) + 1e-6 * noise(t_s.size, seed)


def _tone_of_16_bits(t_s: Floats, seed: int) -> Floats:
    """What an int16 payload brings: a tone 98 dB over the noise of its own quantisation."""
    return np.round(sine((103.7 + seed % 7) * t_s) * 32000.0) / 32768.0


def _machine(t_s: Floats, seed: int) -> Floats:
    """Harmonics of a shaft and a gear mesh with sidebands, in noise."""
    turns = SHAFT_TURNS_PER_S * t_s
    mesh = sine(17.0 * turns) * (1.0 + 0.4 * sine(turns))
    return sine(turns) + 0.5 * sine(2.0 * turns) + 0.2 * sine(0.5 * turns) + 0.3 * mesh + 0.1 * noise(t_s.size, seed)


def _run_up(t_s: Floats, seed: int) -> Floats:
    turns = run_up_turns(t_s)
    return sine(turns) + 0.4 * sine(2.0 * turns) + 0.1 * sine(3.0 * turns) + 0.05 * noise(t_s.size, seed)


def _impulses(t_s: Floats, seed: int) -> Floats:
    """Every 64th sample: all lines of its comb are equal, so that a rounding decides which is the strongest."""
    del seed
    return np.where(np.arange(t_s.size) % 64 == 0, 1.0, 0.0) + 0.001 * sine(100.0 * t_s)


def _ringing(t_s: Floats, seed: int) -> Floats:
    """A bearing's impacts: each rings and fades, in noise."""
    since_s = (t_s * 3.57 * SHAFT_TURNS_PER_S - np.floor(t_s * 3.57 * SHAFT_TURNS_PER_S)) / (3.57 * SHAFT_TURNS_PER_S)
    fade = 1.0 / (1.0 + 400.0 * since_s)
    return sine(650.0 * since_s) * fade * fade * fade + 0.05 * noise(t_s.size, seed)


def _modulated(t_s: Floats, seed: int) -> Floats:
    return sine(640.0 * t_s) * (1.0 + 0.6 * sine(SHAFT_TURNS_PER_S * t_s)) + 0.01 * noise(t_s.size, seed)


def _chirp(t_s: Floats, seed: int) -> Floats:
    return sine(20.0 * t_s + 45.0 * t_s * t_s) + 0.001 * noise(t_s.size, seed)


def _offset(t_s: Floats, seed: int) -> Floats:
    return 1000.0 + 0.01 * noise(t_s.size, seed)


def _coarse(t_s: Floats, seed: int) -> Floats:
    """Eight bits of a loud sensor."""
    return np.round(noise(t_s.size, seed) * 32.0) / 128.0


def _near_silent(t_s: Floats, seed: int) -> Floats:
    return noise(t_s.size, seed) * 2.0**-60


def _loud(t_s: Floats, seed: int) -> Floats:
    return noise(t_s.size, seed) * 2.0**20


def _spiky(t_s: Floats, seed: int) -> Floats:
    spikes = np.random.default_rng(seed).integers(0, 500, t_s.size) == 0
    return 0.05 * noise(t_s.size, seed + 1) + np.where(spikes, 0.3 * noise(t_s.size, seed + 2), 0.0)


def _stuck(t_s: Floats, seed: int) -> Floats:
    """A sensor that stands still for a while: a reason instead of values."""
    x = noise(t_s.size, seed)
    x[t_s.size // 3 : t_s.size // 2] = 0.25
    return x


SIGNALS: Mapping[str, Callable[[Floats, int], Floats]] = MappingProxyType(
    {
        "broadband": _broadband,
        "red": _red,
        "tone_on_a_line": _tone_on_a_line,
        "tone_between_lines": _tone_between_lines,
        "tone_of_16_bits": _tone_of_16_bits,
        "machine": _machine,
        "run_up": _run_up,
        "impulses": _impulses,
        "ringing": _ringing,
        "modulated": _modulated,
        "chirp": _chirp,
        "offset": _offset,
        "coarse": _coarse,
        "near_silent": _near_silent,
        "loud": _loud,
        "spiky": _spiky,
        "stuck": _stuck,
    }
)
"""Makers of one channel by name: from the time of each sample and a seed."""
