"""The waveform recorder: keeps the last seconds of every engine, and takes a snapshot around each alert."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TYPE_CHECKING

from edge_agent.commissioning import Commissioning
from edge_agent.config import MIB
from edge_agent.decision import RAISED
from edge_agent.detector import NOBODY
from edge_agent.frame import NS_PER_S
from edge_agent.streams import name_of
from edge_agent.waveform_ring import Snapshot, WaveformRing

if TYPE_CHECKING:
    from edge_agent.assessment import Assessment
    from edge_agent.config import AgentConfig
    from edge_agent.detector import Judgement, LoadedModel
    from edge_agent.frame import Frame
    from edge_agent.health import Counters

_MOST_PENDING = 8
_RING_BYTES = attrgetter("ring.n_byte")


@dataclass(slots=True)
class _Engine:
    """One engine: its ring, the alerts whose time after is not over, and when it was last heard."""

    ring: WaveformRing
    flight: str
    heard_ns: int
    pending: list[tuple[float, Assessment]] = field(default_factory=list)


class WaveformRecorder:
    """Follows every frame; its snapshots go to ``save``.

    Args:
        config: The agent's config.
        model: The loaded bundle: how long its windows are, how many its decision remembers.
        counters: Counts what could not be kept.
        save: Takes a snapshot, never waits.
        now_ns: The monotonic clock.
    """

    def __init__(
        self,
        config: AgentConfig,
        model: LoadedModel,
        counters: Counters,
        save: Callable[[Snapshot], None],
        *,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wanted_s = config.evidence.before_s
        self._after_s = config.evidence.after_s
        self._take(model)
        self._most_bytes = config.evidence.memory_mib * MIB
        self.reconfigure(config)
        self._counters = counters
        self._save = save
        self._now_ns = now_ns
        self._engines: OrderedDict[str, _Engine] = OrderedDict()
        self._n_byte = 0

    @property
    def n_byte(self) -> int:
        """Bytes that all rings hold."""
        return self._n_byte

    def reconfigure(self, config: AgentConfig) -> None:
        """Go on by another config, between two frames."""
        self._most_engines = config.limits.max_streams

    def swap(self, model: LoadedModel) -> None:
        """Another bundle decides, from the next frame on: alerts whose time after is not over are kept as they are."""
        before = (self._memory_n, self._window_s)
        self._take(model)
        if (self._memory_n, self._window_s) == before:
            return
        for engine in self._engines.values():
            self._take_due(engine, everything=True)
            engine.ring.resize(keep_s=self._keep_s, memory_n=self._memory_n, window_s=self._window_s)

    def observe(self, frame: Frame, judgements: Sequence[Judgement]) -> None:
        """Keep the frame; where an alert's time is over, have its snapshot saved."""
        engine = self._engine_of(frame)
        engine.heard_ns = self._now_ns()
        before_n = engine.ring.n_byte
        if frame.flight != engine.flight:
            self._take_due(engine, everything=True)
            engine.ring.clear()
            engine.flight = frame.flight
        engine.ring.add(frame, judgements)
        self._n_byte += engine.ring.n_byte - before_n
        for each in judgements:
            if each.assessment.event == RAISED and len(engine.pending) < _MOST_PENDING:
                engine.pending.append((engine.ring.heard_s + self._after_s, each.assessment))
        self._take_due(engine)
        self._trim()

    def tick(self) -> None:
        """Give up waiting for what comes after an alert where an engine has fallen silent."""
        now_ns = self._now_ns()
        for engine in self._engines.values():
            if now_ns - engine.heard_ns > self._after_s * NS_PER_S:
                self._take_due(engine, everything=True)

    def finish(self) -> None:
        """Save what there is: the agent stops."""
        for engine in self._engines.values():
            self._take_due(engine, everything=True)

    def _take(self, model: LoadedModel) -> None:
        spec, self._memory_n = model.spec, model.thresholds.n
        self._model = model
        self._window_s = spec.window_s
        # The alert's window, those that its decision remembers, and one ahead of them: see waveform_ring.
        self._before_s = max(self._wanted_s, self._window_s + self._memory_n * spec.hop_s)
        # And the longest frame.
        self._keep_s = self._before_s + self._after_s + spec.window_s

    def _engine_of(self, frame: Frame) -> _Engine:
        name = name_of(frame)
        if name in self._engines:
            self._engines.move_to_end(name)
            return self._engines[name]
        while len(self._engines) >= self._most_engines:
            _, gone = self._engines.popitem(last=False)
            self._n_byte -= gone.ring.n_byte
            self._take_due(gone, everything=True)
        ring = WaveformRing(keep_s=self._keep_s, memory_n=self._memory_n, window_s=self._window_s)
        return self._engines.setdefault(name, _Engine(ring, frame.flight, self._now_ns()))

    def _take_due(self, engine: _Engine, *, everything: bool = False) -> None:
        while engine.pending and (everything or engine.ring.heard_s >= engine.pending[0][0]):
            _, alert = engine.pending.pop(0)
            found = engine.ring.snapshot(alert, before_s=self._before_s)
            if not found:
                self._counters.add("evidence_lost.memory")
            for snapshot in found:
                reproduces = snapshot.reproduces and self._follows_from_the_bundle(alert)
                self._save(replace(snapshot, reproduces=reproduces))

    def _follows_from_the_bundle(self, alert: Assessment) -> bool:
        """Whether an agent that was never aboard holds the engine against the same as the alert was."""
        model = self._model
        if alert.bundle_digest != model.bundle_digest:
            # How much a bundle remembers that has gone is not known any more.
            return False
        fresh = Commissioning(model.commissioning, model.scaler, model.bundle_digest, NOBODY)
        fresh.begin(f"{alert.aircraft}/{alert.engine}", alert.flight)
        return (alert.unit, alert.unit_shift) == (fresh.state.stage, fresh.state.shift_digest)

    def _trim(self) -> None:
        while self._n_byte > self._most_bytes:
            # The one that takes most gives first: a talkative engine must not cost the others their past.
            ring = max(self._engines.values(), key=_RING_BYTES).ring
            self._n_byte -= ring.n_byte
            ring.drop_oldest()
            self._n_byte += ring.n_byte
