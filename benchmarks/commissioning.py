"""What commissioning on board is worth: a simulated fleet, and the run-to-failure lives where they are given.

`python -m benchmarks.commissioning [DATA]`: the tables of docs/how-to/new-unit.md. Everything is decided by the agent's
own code (``ground.commissioning_rehearsal``). The fleet takes a quarter of an hour, the lives a minute.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.command import run_command
from benchmarks.commissioning_lives import print_lives
from edge_agent.commissioning_policy import MOST_FLIGHTS, CommissioningPolicy
from edge_agent.strict_json import parse_json
from ground.calibrate import calibrate
from ground.checkpoints import MemoryStore
from ground.commissioning import learn_policy
from ground.commissioning_rehearsal import RehearsedFlight, UnknownUnits, expected_levels, rehearse_unit
from ground.config import load_config
from ground.domain import learn_domain, outside_reasons
from ground.featurize import interim_windows
from ground.learning import learn
from ground.preprocess import preprocess
from ground.replay import healthy_flights
from ground.simulate.config import FleetConfig
from ground.simulate.files import index_bytes
from ground.simulate.fleet import INDEX_NAME, write_flight
from ground.simulate.plan import FlightPlan, plan_fleet
from ground.splits import CALIBRATION, FIT, TEST
from ground.training_loop import LoopRun
from ground.window_table import WindowTable
from ground.workspace import Workspace, write_atomic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ground.config import Config

FLEET = FleetConfig(seed=11, n_healthy=64, n_faulty=24, n_sensor_faulty=0, flights_per_engine=6, onset_share=0.0)
TWINS = replace(FLEET, n_healthy=FLEET.n_engines, n_faulty=0)
"""The same engines without any fault: what the faulty ones were before it began."""
FLIGHTS = 3
SIZES = {FIT: 26, CALIBRATION: 22}
DEALS = 4
SEVERE = 0.5
RESAMPLES = 2000
_INTERVAL = (0.025, 0.975)


@dataclass(frozen=True)
class Tally:
    """Whether flights raised an alarm, by row of the table and unit."""

    rows: dict[str, dict[str, list[bool]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    def add(self, row: str, unit: str, flights: Sequence[RehearsedFlight]) -> None:
        """Count flights."""
        self.rows[row][unit] += [flight.is_alarmed for flight in flights]

    def lines(self) -> list[str]:
        """Share of flights with an alarm, its 95 % interval from resampled units: flights of one are alike."""
        return [f"{row:66}{_with_interval(list(units.values()))}" for row, units in self.rows.items()]


def main() -> int:
    """Measure and print; returns the exit code."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.commissioning", description=__doc__)
    options.add_argument("data", type=Path, nargs="?", default=Path(), metavar="DATA", help="folder with the lives")
    folder = options.parse_args().data
    if folder != Path():
        print_lives(folder)
    config = load_config(Path(str(files("ground") / "configs" / "engine_vibration.yaml")))
    with tempfile.TemporaryDirectory() as folder:
        fleet = windows_of(config, FLEET, plan_fleet(FLEET), Path(folder) / "fleet")
        twins = [plan for plan in plan_fleet(TWINS) if plan.engine >= FLEET.n_healthy and plan.flight < FLIGHTS]
        before = windows_of(config, TWINS, twins, Path(folder) / "twins")
    print_fleet(config, fleet, before)
    return 0


def windows_of(config: Config, fleet: FleetConfig, plans: Sequence[FlightPlan], folder: Path) -> WindowTable:
    """Every window of these flights."""
    workspace = Workspace(folder)
    rows = [write_flight(fleet, workspace.raw, plan) for plan in plans]
    write_atomic(workspace.raw / INDEX_NAME, index_bytes(rows))
    preprocess(config, workspace, progress=_quiet)
    return interim_windows(config, workspace, config.feature_spec(), progress=_quiet)


def print_fleet(config: Config, fleet: WindowTable, before: WindowTable) -> None:
    """The table of the simulated fleet.

    Args:
        config: The detector's.
        fleet: Every window; faults are there from the first flight.
        before: Windows of the faulty engines' first flights before their faults.
    """
    tally = Tally()
    for deal in range(DEALS):
        roles = _dealt(fleet, deal)
        detector, policy = _learned(config, roles)
        examined = sorted(set(roles.rows["unit_id"][roles.rows["role"] == TEST]))
        for unit in examined:
            _count(tally, _part(roles, unit), _part(before, unit), policy, detector)
    for line in tally.lines():
        print(line)


def _count(
    tally: Tally, own: WindowTable, sound: WindowTable, policy: CommissioningPolicy, detector: UnknownUnits
) -> None:
    unit, never = str(own.rows["unit_id"].iloc[0]), replace(policy, flights=MOST_FLIGHTS)
    flown, pooled = (rehearse_unit(own, each, detector).flights for each in (policy, never))
    if not len(sound.rows):
        tally.add("healthy: flights 4 to 6, never commissioned", unit, pooled[FLIGHTS:])
        tally.add("healthy: flights 4 to 6, commissioned", unit, flown[FLIGHTS:])
        return
    kind = own.rows["fault_type"].iloc[0]
    grade = "severe" if float(own.rows["severity"].iloc[0]) >= SEVERE else "mild"
    later = _begun_later(sound, own)
    after, unaware = (rehearse_unit(later, each, detector).flights for each in (policy, never))
    names = ["all", grade, *(["quieter"] if kind == "quieter" else [])]
    for name in names:
        tally.add(f"fault from flight 4, {name}: flights 4 to 6, never commissioned", unit, unaware[FLIGHTS:])
        tally.add(f"fault from flight 4, {name}: flights 4 to 6, commissioned", unit, after[FLIGHTS:])
    for name in ("all", grade):
        tally.add(f"fault from flight 1, {name}: flights 1 to 3", unit, flown[:FLIGHTS])
        tally.add(f"fault from flight 1, {name}: flights 4 to 6, never commissioned", unit, pooled[FLIGHTS:])
        tally.add(f"fault from flight 1, {name}: flights 4 to 6, commissioned", unit, flown[FLIGHTS:])


def _begun_later(sound: WindowTable, faulty: WindowTable) -> WindowTable:
    """The first flights without the fault, the later ones with it."""
    first = faulty.rows["recording_id"].isin(set(sound.rows["recording_id"])).to_numpy()
    rows = pd.concat([sound.rows, faulty.rows[~first]], ignore_index=True)
    return WindowTable(rows, np.concatenate([sound.values, faulty.values[~first]]))


def _dealt(fleet: WindowTable, seed: int) -> WindowTable:
    """The fleet with roles: healthy engines are dealt, faulty ones examined."""
    units = fleet.rows["unit_id"].to_numpy(dtype=str)
    healthy = sorted(set(units[fleet.rows["fault_type"].to_numpy() == ""]))
    order = np.random.default_rng(seed).permutation(healthy)
    role = np.full(len(units), TEST, dtype=object)
    role[np.isin(units, order[: SIZES[FIT]])] = FIT
    role[np.isin(units, order[SIZES[FIT] : SIZES[FIT] + SIZES[CALIBRATION]])] = CALIBRATION
    return WindowTable(fleet.rows.assign(role=role, group=units), fleet.values)


def _learned(config: Config, table: WindowTable) -> tuple[UnknownUnits, CommissioningPolicy]:
    """The detector of one dealing and its policy."""
    rows, spec = table.rows, config.feature_spec()
    assessed = (rows["reason"] == "").to_numpy()
    fit, known = (assessed & rows["role"].isin(roles).to_numpy() for roles in ([FIT], [FIT, CALIBRATION]))
    run = LoopRun(name="detector", seed=config.seed, store=MemoryStore(), resume=False, progress=_quiet)
    values = table.values[fit]
    learned = learn(spec, values, values, family=config.model.family, settings=config.model, run=run)
    domain = learn_domain(spec, rows[known], table.values[known])
    rows = rows.assign(reason=outside_reasons(rows, table.values, domain))
    scores = np.zeros(len(rows))
    scores[assessed] = learned.module.outputs(table.values[assessed]).score
    found = calibrate(
        healthy_flights(rows, scores, role=FIT, keep_outliers=False),
        healthy_flights(rows, scores, role=CALIBRATION, keep_outliers=True),
        config.decision,
        seed=config.seed,
    )
    detector = UnknownUnits(
        scaler=learned.scaler,
        expected=expected_levels(learned.module.conditioner),
        score=lambda each: learned.module.outputs(each).score.astype(np.float64),
        thresholds=replace(found.thresholds, domain=domain),
    )
    decision = config.decision.model_copy(update={"commissioning_flights": FLIGHTS})
    outcome = learn_policy(WindowTable(rows, table.values), detector, decision, found.report, {}, seed=config.seed)
    policy = CommissioningPolicy.from_document(parse_json(outcome.policy_json, where="policy"))
    print(
        f"{outcome.report.completed_units} of {outcome.report.rehearsed_units} rehearsed units became known; threshold "
        f"{policy.pooled:.2f} after, {outcome.report.unknown_pooled:.2f} before"
    )
    return detector, policy


def _part(table: WindowTable, unit: str) -> WindowTable:
    """The assessed windows of a unit."""
    chosen = ((table.rows["unit_id"] == unit) & (table.rows["reason"] == "")).to_numpy(dtype=bool)
    return WindowTable(table.rows[chosen].reset_index(drop=True), table.values[chosen])


def _with_interval(units: Sequence[Sequence[bool]]) -> str:
    alarms: NDArray[np.int64] = np.array([sum(unit) for unit in units])
    flights: NDArray[np.int64] = np.array([len(unit) for unit in units])
    drawn = np.random.default_rng(0).integers(len(units), size=(RESAMPLES, len(units)))
    low, high = np.quantile(alarms[drawn].sum(axis=1) / flights[drawn].sum(axis=1), _INTERVAL)
    share = alarms.sum() / flights.sum()
    return f"{share:6.3f}  [{low:.3f}, {high:.3f}]  {alarms.sum()} of {flights.sum()} flights, {len(units)} units"


def _quiet(*_: object) -> None:
    """Nobody watches."""


if __name__ == "__main__":
    sys.exit(run_command(main))
