"""Commissioning: an agent learns by which constant a new unit is off, from flights without an alarm, and then stops.

Pure: what comes out depends on the state it starts from and on the windows, so a stream, a replay and a rehearsal on
the ground give the same. Three rules keep a fault from being learned away (docs/adr/0020):

- A flight counts only once it has ended and no window of it was in alarm; windows above the threshold never count.
- Each feature's shift is limited to what units of the training differed by.
- What is learned is frozen: a slow wear is measured against the unit's beginnings for good.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from edge_agent.decision import ALARM, NORMAL
from edge_agent.unit_state import (
    COMMISSIONING,
    KNOWN,
    POOLED,
    LearnedFlight,
    OpenFlight,
    UnitState,
    new_unit,
    nothing_learned,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_agent.commissioning_policy import CommissioningPolicy
    from edge_agent.scaler import Scaler

MOST_ROWS: Final = 128
"""Windows of one flight that are remembered, evenly spread over it: its median needs no more, and memory is bounded."""
CHECKPOINT_WINDOWS: Final = 32
"""The state is renewed after so many windows of a flight: power may fail before the flight ends."""
MOST_STRANGE: Final = 0.5
"""A flight of which a larger share is not normal is not learned from: what is left of it is a choice of the mildest."""
ANY_BUNDLE: Final = "any"
"""Bundle of a state that an operator has reset: commissioning begins anew, whatever the bundle knows of the unit."""


class Commissioning:
    """What is learned of one unit.

    Args:
        policy: What the bundle allows; without any, every unit stays ``pooled``.
        scaler: The bundle's scaler.
        bundle_digest: The bundle.
        state: Where to go on from; one of another bundle or unit counts for nothing.
    """

    def __init__(
        self, policy: CommissioningPolicy | None, scaler: Scaler, bundle_digest: str, state: UnitState
    ) -> None:
        self._policy = policy
        self._scaler = scaler
        self._bundle_digest = bundle_digest
        self._state = state
        self._is_reset = False
        self._rows = _Rows()
        # A restored flight is known by its medians alone: they cannot be continued, only discarded.
        self._is_sealed = True

    @property
    def state(self) -> UnitState:
        """What is known now; the same object until something is to be kept."""
        return self._state

    def begin(self, engine: str, flight: str) -> None:
        """A flight begins, or goes on after a restart: the one before has ended, and counts if it may."""
        if self._is_reset or not self._fits(engine):
            self._state = self._first_state(engine)
            self._is_reset = False
        if self._state.stage != COMMISSIONING or self._state.open.flight == flight:
            return
        self._state = replace(self._ended(), open=nothing_learned(flight))
        self._rows = _Rows()
        self._is_sealed = False

    def learn(self, values: NDArray[np.float32], decided: str) -> None:
        """Take what was decided about a window of the flight.

        Args:
            values: (n_feature,) its features as measured.
            decided: Its state.
        """
        if self._policy is None or self._state.stage != COMMISSIONING:
            return
        was = self._state.open
        is_alarmed = was.is_alarmed or decided == ALARM
        if self._is_sealed:
            if is_alarmed != was.is_alarmed:
                self._state = replace(self._state, open=replace(was, is_alarmed=True))
            return
        if decided == NORMAL:
            self._rows.add(values)
        self._rows.assessed += 1
        if is_alarmed != was.is_alarmed or self._rows.assessed % CHECKPOINT_WINDOWS == 0:
            self._state = replace(self._state, open=self._open(was.flight, is_alarmed=is_alarmed))

    def reset(self) -> None:
        """Forget the unit from its next flight on; the flight under way ends as it began."""
        self._is_reset = True
        self._state = replace(self._state, bundle_digest=ANY_BUNDLE)

    def _fits(self, engine: str) -> bool:
        """Whether the state is of this unit and bundle; one that was tampered with is not, either."""
        state = self._state
        levels = [flight.level for flight in (*state.flights, state.open.learned)]
        lengths = {len(vector) for vector in (state.shift, *levels) if vector}
        fits = lengths <= {len(self._scaler.names)} and (state.stage == KNOWN) == bool(state.shift)
        return fits and (state.engine, state.bundle_digest) == (engine, self._bundle_digest)

    def _first_state(self, engine: str) -> UnitState:
        if self._policy is None:
            return new_unit(engine, self._bundle_digest, POOLED)
        was_reset = self._state.engine == engine and self._state.bundle_digest == ANY_BUNDLE
        shift = () if was_reset else self._policy.shift_of(engine)
        return replace(new_unit(engine, self._bundle_digest, KNOWN if shift else COMMISSIONING), shift=shift)

    def _ended(self) -> UnitState:
        """The state once the open flight has ended."""
        policy, state = self._policy, self._state
        if policy is None or not state.open.flight:
            return state
        was = state.open if self._is_sealed else self._open(state.open.flight, is_alarmed=state.open.is_alarmed)
        learned = was.learned
        if was.is_alarmed or learned.windows < policy.windows or learned.windows <= MOST_STRANGE * was.assessed:
            return replace(state, refused=state.refused + 1)
        flights = (*state.flights, learned)[-policy.flights :]
        if len(flights) < policy.flights or not _covers(flights, policy.spans):
            return replace(state, flights=flights)
        return self._known(replace(state, flights=flights), policy)

    def _known(self, state: UnitState, policy: CommissioningPolicy) -> UnitState:
        level = np.median(np.array([flight.level for flight in state.flights]), axis=0)
        limits = np.array(policy.limits)
        beyond = np.abs(level) > limits
        # Operating conditions have a level of 0 and a limit of 0: they are never beyond.
        clipped = tuple(name for name, is_beyond in zip(self._scaler.names, beyond.tolist(), strict=True) if is_beyond)
        shift = tuple(np.clip(level, -limits, limits).tolist())
        return replace(state, stage=KNOWN, shift=shift, clipped=clipped)

    def _open(self, flight: str, *, is_alarmed: bool) -> OpenFlight:
        """The flight under way as far as it was seen."""
        learned = LearnedFlight(flight=flight, windows=self._rows.normal, level=(), low=(), high=())
        if self._rows.kept and self._policy is not None:
            values = np.stack(self._rows.kept)
            n_condition = len(self._policy.spans)
            rest = self._policy.expected.residual(self._scaler.transform(values), n_condition)
            conditions = values[:, len(self._scaler.names) - n_condition :].astype(np.float64)
            learned = replace(
                learned,
                level=tuple(np.median(rest, axis=0).tolist()),
                low=tuple(conditions.min(axis=0).tolist()),
                high=tuple(conditions.max(axis=0).tolist()),
            )
        return OpenFlight(flight=flight, assessed=self._rows.assessed, is_alarmed=is_alarmed, learned=learned)


class _Rows:
    """Normal windows of one flight, at most ``MOST_ROWS``, evenly spread: every second goes when it is full."""

    def __init__(self) -> None:
        self.kept: list[NDArray[np.float32]] = []
        self.normal = 0
        self.assessed = 0
        self._step = 1

    def add(self, values: NDArray[np.float32]) -> None:
        """Take a window."""
        if self.normal % self._step == 0:
            if len(self.kept) == MOST_ROWS:
                self.kept = self.kept[::2]
                self._step *= 2
            if self.normal % self._step == 0:
                self.kept.append(values.copy())
        self.normal += 1


def _covers(flights: tuple[LearnedFlight, ...], spans: tuple[float, ...]) -> bool:
    """Whether the flights together have seen enough of each operating condition."""
    low = [min(values) for values in zip(*(flight.low for flight in flights), strict=True)]
    high = [max(values) for values in zip(*(flight.high for flight in flights), strict=True)]
    return all(last - first >= span for first, last, span in zip(low, high, spans, strict=True))
