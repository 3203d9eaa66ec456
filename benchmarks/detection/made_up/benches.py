"""Rigs whose recordings are healthy or faulty throughout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.detection.made_up.machine import Generator, Machine, Samples, specimen, vibration
from benchmarks.detection.made_up.recording import FAULTY, HEALTHY, Recording

_MOUNT_SPREAD = 0.03
_SECOND_SENSOR = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """How a rig records.

    Attributes:
        rate_hz: Sampling rate.
        length_s: Of every recording.
        channels: Names.
        signal_units: See ``Recording``.
        offset: Constant that the sensor adds.
        step: Of its converter; 0 for a fine one.
        cells: Cells of the index that all recordings share.
    """

    rate_hz: float
    length_s: float
    channels: tuple[str, ...] = ("acc",)
    signal_units: str = "g"
    offset: float = 0.0
    step: float = 0.0
    cells: Mapping[str, str] = field(default_factory=dict)

    def record(
        self, name: str, unit: str, machine: Machine, rng: Generator, speed: Samples | float = 1.0, /, **cells: str
    ) -> Recording:
        """One recording; every further sensor hears less of the same machine, and a mount is never twice the same."""
        n = round(self.length_s * self.rate_hz)
        columns = {}
        for index, channel in enumerate(self.channels):
            mount = _SECOND_SENSOR**index * np.exp(_MOUNT_SPREAD * rng.standard_normal())
            samples = self.offset + vibration(machine, n, self.rate_hz, rng, speed=speed, gain=mount)
            columns[channel] = np.round(samples / self.step) * self.step if self.step else samples
        label = FAULTY if "fault_type" in cells else HEALTHY
        others = {} if isinstance(speed, float) else {"n1_hz": (machine.shaft_hz * speed).astype(np.float64)}
        return Recording(
            name=name, unit=unit, rate_hz=self.rate_hz, channels=columns, signal_units=self.signal_units, label=label,
            others=others, cells={**self.cells, **cells},
        )  # fmt: skip


def pump(rng: Generator) -> Iterator[Recording]:
    """Six pumps at 200 Hz, in mm/s; faults of three of them, a blocked one is quieter."""
    bench = Bench(rate_hz=200.0, length_s=120.0, channels=("axial", "radial"), signal_units="mm/s")
    kind = Machine(shaft_hz=24.2, tones=((1.0, 1.2), (2.0, 0.5), (3.0, 0.2)), noise=0.4, resonances_hz=(61.0,))
    pumps = [specimen(kind, rng, spread=0.2) for _ in range(6)]
    for number, one in enumerate(pumps):
        for turn in range(3):
            yield bench.record(f"p{number}_h{turn}", f"p{number}", one, rng)
    for number, one in enumerate(pumps[:3]):
        faults = {
            "imbalance": one.with_tones((1.0, 2.5)),
            "cavitation": replace(one, noise=3.0 * one.noise),
            "blocked": replace(one.louder(0.6), wander=0.01),
        }
        for name, sick in faults.items():
            yield bench.record(f"p{number}_{name}", f"p{number}", sick, rng, fault_type=name)


def gearbox(rng: Generator) -> Iterator[Recording]:
    """Gearboxes at 12.8 kHz, four speeds and two loads in the index; two healthy ones, three faulty."""
    bench = Bench(rate_hz=12_800.0, length_s=10.0, channels=("acc_x", "acc_y"), signal_units="m/s2")
    kind = Machine(
        shaft_hz=1.0, tones=((1.0, 0.3), (23.0, 1.5), (46.0, 0.7), (7.1, 0.4)), modulation=(1.0, 0.1), noise=0.5,
        resonances_hz=(1_900.0, 4_200.0),
    )  # fmt: skip
    healthy = [specimen(kind, rng, spread=0.15) for _ in range(2)]
    sick = {
        "tooth": specimen(kind, rng, spread=0.15).with_impacts((1.0, 25.0)),
        "wear": replace(specimen(kind, rng, spread=0.15).with_tones((23.0, 2.5)), modulation=(1.0, 0.5)),
        "bearing": specimen(kind, rng, spread=0.15).with_impacts((3.58, 12.0)),
    }
    for rpm in (600, 900, 1200, 1500):
        for load in (0, 50):
            gain = (rpm / 900.0) ** 1.3 * (1.0 + 0.01 * load)
            cells = {"speed_rpm": str(rpm), "load": f"{load} Nm"}
            for number, one in enumerate(healthy):
                machine = replace(one.louder(gain), shaft_hz=rpm / 60.0)
                yield bench.record(f"h{number}_{rpm}_{load}", f"h{number}", machine, rng, **cells)
            for name, one in sick.items():
                machine = replace(one.louder(gain), shaft_hz=rpm / 60.0)
                yield bench.record(f"{name}_{rpm}_{load}", name, machine, rng, fault_type=name, **cells)


def single(rng: Generator) -> Iterator[Recording]:
    """A motor at 10 kHz: one healthy recording of five seconds is all there is to learn from."""
    bench = Bench(rate_hz=10_000.0, length_s=5.0, channels=("de", "fe"))
    one = Machine(shaft_hz=29.2, tones=((1.0, 0.1), (2.0, 0.05)), noise=0.1, resonances_hz=(1_100.0, 3_300.0))
    yield bench.record("healthy", "m", one, rng)
    for name, order in (("inner", 5.42), ("outer", 3.58), ("ball", 4.71)):
        for depth, height in (("7", 2.0), ("21", 6.0)):
            sick = one.with_impacts((order, height))
            yield bench.record(f"{name}_{depth}", "m", sick, rng, fault_type=name, severity=depth)


def one_unit(rng: Generator) -> Iterator[Recording]:
    """A compressor at 8 kHz over two weeks: each day a little different, then valves that leak, one more every day."""
    bench = Bench(rate_hz=8_000.0, length_s=20.0)
    one = Machine(
        shaft_hz=16.3, tones=((1.0, 0.2), (6.0, 0.3)), impacts=((2.0, 3.0),), noise=0.2, resonances_hz=(700.0, 2_500.0)
    )
    for day in range(12):
        yield bench.record(f"day{day:02}", "c1", specimen(one, rng, spread=0.05), rng, condition="running")
    for day in range(4):
        today = specimen(one, rng, spread=0.05)
        sick = replace(today.with_impacts((2.0, 1.5 * (day + 1))), noise=today.noise * (1.2 + 0.2 * day))
        cells = {"fault_type": "valve", "severity": str(day + 1), "condition": "running"}
        yield bench.record(f"valve{day}", "c1", sick, rng, **cells)


def fan(rng: Generator) -> Iterator[Recording]:
    """Five fans at 4 kHz whose faults make them quieter: a slipping belt, a blocked inlet, a lost coupling."""
    bench = Bench(rate_hz=4_000.0, length_s=30.0, signal_units="m/s2")
    kind = Machine(
        shaft_hz=19.7,
        tones=((1.0, 0.8), (2.0, 0.3), (9.0, 1.0), (18.0, 0.4)),
        noise=0.5,
        resonances_hz=(430.0, 1_250.0),
    )
    fans = [specimen(kind, rng, spread=0.15) for _ in range(5)]
    for number, one in enumerate(fans):
        for turn in range(3):
            yield bench.record(f"f{number}_h{turn}", f"f{number}", one, rng)
    for number, one in enumerate(fans[:3]):
        faults = {
            "belt": replace(one.louder(0.75), shaft_hz=0.9 * one.shaft_hz),
            "blocked": replace(one, tones=tuple((order, 0.3 * size) for order, size in one.tones)),
            "coupling": one.louder(0.35),
        }
        for name, sick in faults.items():
            yield bench.record(f"f{number}_{name}", f"f{number}", sick, rng, fault_type=name)


def fleet(rng: Generator) -> Iterator[Recording]:
    """Sixteen motors at 1 kHz that differ a good deal; six others are faulty."""
    bench = Bench(rate_hz=1_000.0, length_s=60.0, channels=("h", "v"), signal_units="mm/s")
    kind = Machine(shaft_hz=24.8, tones=((1.0, 1.0), (2.0, 0.4), (4.0, 0.2)), noise=0.6, resonances_hz=(140.0, 310.0))
    for number in range(16):
        one = specimen(kind, rng, spread=0.3)
        for turn in range(2):
            yield bench.record(f"m{number:02}_{turn}", f"m{number:02}", one, rng)
    for number in range(6):
        one = specimen(kind, rng, spread=0.3)
        sick, name = [(one.with_tones((1.0, 4.0)), "imbalance"), (one.with_tones((2.0, 2.0)), "misalignment")][
            number % 2
        ]
        yield bench.record(f"s{number}", f"s{number}", sick, rng, fault_type=name)


def sweeps(rng: Generator) -> Iterator[Recording]:
    """A spindle at 6.4 kHz whose speed changes all the time, reported in a column."""
    bench = Bench(rate_hz=6_400.0, length_s=40.0, channels=("x", "y"))
    kind = Machine(
        shaft_hz=1.0, tones=((1.0, 0.1), (2.0, 0.05), (12.0, 0.1)), noise=0.1, resonances_hz=(900.0, 2_100.0)
    )
    n = round(bench.rate_hz * bench.length_s)
    for number in range(8):
        one = specimen(kind, rng, spread=0.05)
        sick = {5: one.with_impacts((3.1, 3.0)), 6: one.with_tones((1.0, 0.4)), 7: one.with_tones((12.0, 0.5))}
        cells = {"fault_type": ("bearing", "imbalance", "tool")[number - 5]} if number in sick else {}
        knots = rng.uniform(20.0, 60.0, size=9)
        speed_hz = np.interp(np.linspace(0.0, 8.0, n), np.arange(9.0), knots)
        yield bench.record(f"s{number}", "spindle", sick.get(number, one), rng, speed_hz, **cells)


def slow_rotor(rng: Generator) -> Iterator[Recording]:
    """A slewing bearing at twelve turns a minute, 1 kHz."""
    bench = Bench(rate_hz=1_000.0, length_s=90.0, signal_units="m/s2", cells={"speed_rpm": "12"})
    one = Machine(shaft_hz=0.2, tones=((1.0, 0.01), (25.0, 0.02)), noise=0.05, resonances_hz=(85.0, 230.0))
    for turn in range(6):
        yield bench.record(f"h{turn}", "slew", specimen(one, rng, spread=0.05), rng)
    for turn, height in enumerate((0.5, 1.0, 2.0)):
        sick = specimen(one, rng, spread=0.05).with_impacts((8.3, height))
        yield bench.record(f"f{turn}", "slew", sick, rng, fault_type="raceway", severity=str(height))


def cheap_sensor(rng: Generator) -> Iterator[Recording]:
    """A MEMS sensor at 1.6 kHz: gravity in it, and steps as large as a fifth of the vibration."""
    bench = Bench(rate_hz=1_600.0, length_s=60.0, offset=1.0, step=0.0078)
    one = Machine(shaft_hz=12.1, tones=((1.0, 0.02), (5.0, 0.02)), noise=0.02, resonances_hz=(210.0, 520.0))
    for turn in range(4):
        yield bench.record(f"h{turn}", "conveyor", specimen(one, rng, spread=0.05), rng)
    for turn in range(3):
        sick = specimen(one, rng, spread=0.05).with_impacts((4.2, 0.3 * (turn + 1)))
        yield bench.record(f"f{turn}", "conveyor", sick, rng, fault_type="roller")


def motor_current(rng: Generator) -> Iterator[Recording]:
    """The current of a motor at 10 kHz under three loads: the fault is a pair of sidebands."""
    bench = Bench(rate_hz=10_000.0, length_s=20.0, channels=("ia", "ib"), signal_units="A")
    supply = Machine(shaft_hz=50.0, tones=((1.0, 5.0), (5.0, 0.15), (7.0, 0.1)), noise=0.02, wander=0.01)
    for load in (25, 50, 100):
        for turn in range(3):
            one = specimen(supply.louder(0.5 + load / 100.0), rng, spread=0.01)
            yield bench.record(f"h{load}_{turn}", "motor", one, rng, load=f"{load} %")
        for bars in (1, 2):
            side = 0.05 * bars * (0.5 + load / 100.0)
            sick = specimen(supply.louder(0.5 + load / 100.0), rng, spread=0.01)
            sick = sick.with_tones((0.96, side), (1.04, side))
            cells = {"fault_type": "broken bar", "severity": str(bars), "load": f"{load} %"}
            yield bench.record(f"f{load}_{bars}", "motor", sick, rng, **cells)


def healthy_only(rng: Generator) -> Iterator[Recording]:
    """Two turbines at 25.6 kHz, a minute each, and nothing that is wrong."""
    bench = Bench(rate_hz=25_600.0, length_s=60.0)
    kind = Machine(shaft_hz=83.0, tones=((1.0, 0.5), (31.0, 0.4)), noise=0.2, resonances_hz=(2_300.0, 7_100.0))
    for number in range(2):
        yield bench.record(f"t{number}", f"t{number}", specimen(kind, rng, spread=0.15), rng)
