"""``python -m benchmarks.detection.made_up --out DIR``: a recordings folder of made-up rigs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.command import EXIT_OK, run_command
from benchmarks.detection.made_up import benches, courses
from benchmarks.detection.made_up.recording import Recording, write_index, write_rig
from benchmarks.errors import BenchmarkError

SEED: Final = 4
RIGS: Final[Mapping[str, Callable[[np.random.Generator], Iterator[Recording]]]] = {
    make.__name__: make
    for make in (
        benches.pump, benches.gearbox, benches.single, benches.one_unit, benches.fan, benches.fleet, benches.sweeps,
        benches.slow_rotor, benches.cheap_sensor, benches.motor_current, benches.healthy_only,
        courses.bearing_lives, courses.quiet_lives, courses.flights, courses.plant, courses.plants,
    )
}  # fmt: skip
"""What draws the recordings of each rig, by its name."""


def make_rigs(names: tuple[str, ...], folder: Path, seed: int) -> None:
    """Write rigs into one recordings folder; each is the same whichever others are written.

    Args:
        names: Of ``RIGS``.
        folder: Where to; must not hold an index.
        seed: Draws them.

    Raises:
        BenchmarkError: The folder cannot be written.
    """
    order = list(RIGS)
    rows = []
    try:
        for name in names:
            rng = np.random.default_rng([seed, order.index(name)])
            rows += write_rig(RIGS[name](rng), folder, name)
        write_index(rows, folder)
    except OSError as error:
        raise BenchmarkError(f"{folder}: expected a folder that can be written, got {error}") from error


def main() -> int:
    """Write the folder; returns the exit code."""
    options = _options()
    make_rigs(tuple(options.rig or RIGS), options.out, options.seed)
    print(f"{options.out}: {', '.join(options.rig or RIGS)}")
    return EXIT_OK


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.detection.made_up", description="Recordings of made-up rigs, in the layout."
    )
    options.add_argument("--out", type=_empty_folder, required=True, metavar="DIR", help="a new or empty folder")
    options.add_argument("--rig", action="append", choices=sorted(RIGS), help="only this one; may be repeated")
    options.add_argument("--seed", type=int, default=SEED, help="draws them")
    return options.parse_args()


def _empty_folder(text: str) -> Path:
    path = Path(text)
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise argparse.ArgumentTypeError(f"expected a new or empty folder, got {path} with something in it")
    except OSError as error:
        raise argparse.ArgumentTypeError(f"expected a folder that can be written, got {error}") from error
    return path


if __name__ == "__main__":
    sys.exit(run_command(main))
