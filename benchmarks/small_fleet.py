"""What a test of 40 healthy and 20 faulty flights can show: the arithmetic of the gates, and the simulated fleet.

``python -m benchmarks.small_fleet`` simulates a fleet whose split leaves 40 healthy engines for the test, and 60 for
the calibration, which asks for 59; 20 faulty engines are examined, each kind of fault in turn, the one that gets
quieter among them. Everything else is as ``ground simulate`` and the packaged example have it. Beside each verdict it
prints what a detector without a flaw would have been told of so many flights: where that is INSUFFICIENT, no detector
passes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.command import run_command
from ground.breakdown import BreakdownRow
from ground.config import Config, SplitConfig, load_config
from ground.demo.scenario import CONFIGS, EXAMPLE
from ground.evaluate import evaluate
from ground.featurize import featurize
from ground.gates import Gate, verdict_of
from ground.intervals import Bounds, proportion_bounds
from ground.preprocess import preprocess
from ground.progress import silent
from ground.run_evidence import RunEvidence
from ground.simulate import FleetConfig, simulate_fleet
from ground.train import train
from ground.workspace import Workspace

FLEET: Final = FleetConfig(seed=2025, n_healthy=160, n_faulty=20, n_sensor_faulty=0)
SPLIT: Final = SplitConfig(fit=0.375, calibration=0.375)
CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Flawless:
    """What a detector without a flaw is told of ``n`` observations: the bound it reaches, and the verdict."""

    bound: float
    verdict: str


def flawless(name: str, limit: float, n: int, *, higher_is_better: bool) -> Flawless:
    """The best that ``n`` observations can show.

    Args:
        name: Of the gate; only for people.
        limit: The gate.
        n: Observations, as the gate counts them.
        higher_is_better: Whether a flawless detector has 1 (else 0).

    Raises:
        ValueError: A negative ``n``.
    """
    if n < 0:
        raise ValueError(f"{name}: expected 0 observations or more, got {n}; count them again")
    point = 1.0 if higher_is_better else 0.0
    bounds = proportion_bounds(point * n, n, confidence=CONFIDENCE) if n else Bounds(0.0, 1.0)
    # No number is asked for, so that nothing but the bound decides.
    verdict = verdict_of(point, bounds, n, limit=limit, needed_n=n, higher_is_better=higher_is_better)
    return Flawless(bounds.lower if higher_is_better else bounds.upper, verdict)


def small_fleet_config() -> Config:
    """The packaged example with a split that leaves 60 engines for calibration and 40 for the test."""
    config = load_config(CONFIGS / f"{EXAMPLE}.yaml")
    return Config.model_validate(
        {**config.model_dump(mode="json", by_alias=True), "split": SPLIT.model_dump(mode="json")}
    )


def run_fleet(fleet: FleetConfig, config: Config, root: Path) -> RunEvidence:
    """From simulated recordings to the evidence, in an empty folder.

    Raises:
        GroundError: A stage fails.
    """
    workspace = Workspace(root)
    simulate_fleet(fleet, workspace.raw, progress=lambda _done, _total: None)
    preprocess(config, workspace, progress=silent)
    featurize(config, workspace, progress=silent)
    train(config, workspace, resume=False, progress=silent)
    return evaluate(config, workspace, progress=silent).run


def gate_row(gate: Gate) -> tuple[str, ...]:
    """A line of the table of gates."""
    best = flawless(gate.name, gate.limit, gate.n, higher_is_better=gate.higher_is_better)
    bound = gate.bounds.lower if gate.higher_is_better else gate.bounds.upper
    relation = ">=" if gate.higher_is_better else "<="
    numbers = (f"{gate.point:.3f}", f"{bound:.3f}", gate.verdict, f"{best.bound:.3f}", best.verdict)
    return (f"{gate.name} {relation} {gate.limit:g}", str(gate.n), *numbers)


def fault_row(row: BreakdownRow) -> tuple[str, ...]:
    """A line of the table of faults."""
    return (row.fault_type, str(row.groups), f"{row.alarmed_share:.3f}", f"{row.auc:.3f}")


def main() -> int:
    """Print both tables; the exit code says only whether the run ended."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.small_fleet", description=__doc__)
    options.add_argument("--severity-floor", type=float, default=FLEET.severity_floor, help="of the earliest faults")
    options.add_argument("--onset-share", type=float, default=FLEET.onset_share, help="of faults that begin in flight")
    given = options.parse_args()
    fleet = replace(FLEET, severity_floor=given.severity_floor, onset_share=given.onset_share)
    with tempfile.TemporaryDirectory() as folder:
        run = run_fleet(fleet, small_fleet_config(), Path(folder))
    _print(run, fleet)
    return 0


def _print(run: RunEvidence, fleet: FleetConfig) -> None:
    title = (
        f"40 healthy and 20 faulty flights; severity from {fleet.severity_floor:g}, onset share {fleet.onset_share:g}"
    )
    gates = Table("gate", "n", "got", "bound", "verdict", "flawless: bound", "verdict", title=title)
    for gate in run.evidence.gates:
        gates.add_row(*gate_row(gate))
    faults = Table("fault", "flights", "windows in alarm", "AUC")
    for row in run.evidence.breakdown:
        if row.phase == "all":
            faults.add_row(*fault_row(row))
    flights = run.evidence.contenders[0].flights
    console = Console(width=120)
    console.print(gates, faults)
    console.print(
        f"flights found {flights.detected_flights} of {flights.faulty_flights}; healthy flights in alarm "
        f"{flights.alarmed_flights} of {flights.healthy_flights}; {run.evidence.verdict.verdict}"
    )
    for reason in run.verdict.reasons:
        console.print(f"- {reason}")


if __name__ == "__main__":
    sys.exit(run_command(main))
