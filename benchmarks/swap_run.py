"""A paced agent whose bundle is swapped over and over, and the ledger of its windows."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.agent import write_config
from benchmarks.errors import BenchmarkError
from benchmarks.measure import collector_off
from benchmarks.mqtt_pair import due_in
from benchmarks.process_use import Use, use_of
from benchmarks.processes import running
from benchmarks.vibration import AIRCRAFT, FRAME_S, FrameSource, vibration
from edge_agent.config import load_config
from edge_agent.decision import NOT_ASSESSED
from edge_agent.frame import NS_PER_S
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import PROBATION, Slot, activate, loaded, mark_good
from edge_agent.startup import slots_of_config
from edge_agent.trust import TrustedKeys
from edge_agent.wire import encode_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.bench_bundle import BenchBundle
    from benchmarks.mqtt_pair import MqttPair, Receipt
    from benchmarks.processes import Program
    from ground.publish import Broker

_BOOTS = 3
_SWAP_TIMEOUT_S = 60.0
_POLL_S = 0.05
_CALM_S = 1.5
"""From one swap to the next: each bundle decides about some windows of every engine."""
_REST_S = 6.0
"""Before memory is judged: the former bundle is gone, and its pages are given back, a look or two after a swap."""
_LAST_RESULT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapRun:
    """What came of the swaps.

    Attributes:
        total_s: (n_window,) from the publishing of the frame that completes a window to the receipt of its result, from
            the first swap on.
        calm_s: The same before it.
        lost: Windows without an assessed result.
        twice: Results of a window that had one.
        jumps: Times that ``seq`` of an engine did not go on by one.
        bundles: Changes of the bundle, over all engines.
        swap_s: (n_swap,) from the activation to the state that says that the new one runs.
        uses: The agent at the beginning, after each swap, and in the end.
    """

    total_s: NDArray[np.float64]
    calm_s: NDArray[np.float64]
    lost: int
    twice: int
    jumps: int
    bundles: int
    swap_s: NDArray[np.float64]
    uses: Sequence[Use]


class Slots:
    """The slots of the agent: the first bundle is good, the others are activated by turns.

    Args:
        config_path: The agent's config.
        bundles: Three; two of them take turns.
    """

    def __init__(self, config_path: Path, bundles: Sequence[BenchBundle]) -> None:
        config = load_config(config_path)
        self.ledger = SlotLedger(config.agent.state_dir)
        store = slots_of_config(config, TrustedKeys.from_files(config.bundle.keys))
        self.install_s: list[float] = []
        self._by_turns: list[Slot] = []
        for number, bundle in enumerate(bundles):
            begin_s = time.perf_counter()
            slot = store.install(bundle.path)
            self.install_s.append(time.perf_counter() - begin_s)
            if number < len(bundles) - 1:
                self._activate(slot)
            if number == 0:
                self.ledger.change(lambda state: mark_good(loaded(state, state.active.digest), state.active.digest))
            else:
                self._by_turns.append(slot)

    def swap(self) -> None:
        """Activate the one of the two that does not run."""
        active = self.ledger.state().active
        self._activate(next(slot for slot in self._by_turns if slot != active))

    def is_done(self) -> bool:
        """Whether the agent has taken it."""
        return self.ledger.state().stage == PROBATION

    def _activate(self, slot: Slot) -> None:
        self.ledger.change(lambda state: activate(state, slot, boots=_BOOTS))


@contextmanager
def slotted_agent(
    folder: Path, bundles: Sequence[BenchBundle], broker: Broker, python: str
) -> Iterator[tuple[Program, Slots]]:
    """Run ``edge-agent`` from slots that hold ``bundles``, by an interpreter that has it.

    One that nothing else runs from keeps the proportional size honest: pages of a library count the less, the more
    processes of the machine have them.
    """
    path = write_config(folder, bundles[0], host=broker.host, port=broker.port)
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("path = ")]
    text = "\n".join(lines).replace("[bundle]", "[bundle]\nslots = true\nprobation_windows = 1000000")
    path.write_text(f"{text}\n", encoding="utf-8")
    slots = Slots(path, bundles)
    with running("agent", (python, "-m", "edge_agent", "run", "--config", str(path)), folder) as program:
        yield program, slots


@dataclass(slots=True)
class _Activator:
    """Swaps in a thread of its own, while the load goes on."""

    slots: Slots
    agent: Program
    n: int
    warm_s: float
    swap_s: list[float] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    begun_ns: int = 0
    failure: str = ""

    def run(self) -> None:
        pid = self.agent.process.pid
        time.sleep(self.warm_s)
        self.uses.append(use_of(pid))
        self.begun_ns = time.monotonic_ns()
        for _ in range(self.n):
            begin_s = time.monotonic()
            self.slots.swap()
            self.agent.process.send_signal(signal.SIGHUP)
            while not self.slots.is_done():
                if time.monotonic() - begin_s > _SWAP_TIMEOUT_S:
                    self.failure = f"stage {self.slots.ledger.state().stage} after {_SWAP_TIMEOUT_S:g} s"
                    return
                time.sleep(_POLL_S)
            self.swap_s.append(time.monotonic() - begin_s)
            time.sleep(_CALM_S if 1 < len(self.uses) < self.n else _REST_S)
            self.uses.append(use_of(pid))


def run_swaps(
    pair: MqttPair, agent: Program, slots: Slots, bundle: BenchBundle, *, streams: int, n: int, warm_s: float
) -> SwapRun:
    """Swap ``n`` times under the load of ``streams`` engines, and hold results against windows.

    Args:
        pair: The connections.
        agent: The agent.
        slots: Its slots.
        bundle: Whose spec the frames fit.
        streams: How many engines.
        n: How often.
        warm_s: From the first windows to the first swap: the heap grows for a while, swaps or not.

    Raises:
        BenchmarkError: The agent ended, or did not take a bundle.
    """
    pair.serve_until(due_in(_SWAP_TIMEOUT_S), lambda: pair.agent_online)
    agent.check_alive()
    activator = _Activator(slots, agent, n, warm_s)
    thread = threading.Thread(target=activator.run, name="activator")
    with collector_off():
        sent = _send(pair, bundle, streams, thread)
        pair.serve_until(due_in(_LAST_RESULT_TIMEOUT_S), lambda: pair.received >= len(sent))
    thread.join()
    if activator.failure:
        raise agent.failed(f"to take every bundle, got {activator.failure}")
    agent.check_alive()
    return _outcome(sent, pair.take_receipts(), activator)


def _send(pair: MqttPair, bundle: BenchBundle, streams: int, activator: threading.Thread) -> dict[tuple[str, int], int]:
    """Send frames until the activator is done; gives when those went out that complete windows."""
    spec = bundle.spec
    samples = vibration(spec, spec.window_s)
    sources = [FrameSource(spec, samples, engine=str(stream)) for stream in range(streams)]
    first, per_hop = round(spec.window_s / FRAME_S), round(spec.hop_s / FRAME_S)
    start_ns = due_in(_CALM_S)
    sent: dict[tuple[str, int], int] = {}
    for index in count():
        if index == first:
            activator.start()
        elif index > first and not activator.is_alive():
            return sent
        for stream, source in enumerate(sources):
            frame = source.frame(index)
            payload = encode_frame(frame)
            pair.serve_until(start_ns + round((index + stream / streams) * FRAME_S * NS_PER_S))
            published_ns = time.monotonic_ns()
            pair.publish(AIRCRAFT, frame.engine, payload)
            if index + 1 >= first and (index + 1 - first) % per_hop == 0:
                sent[frame.engine, frame.end_ns] = published_ns
    raise BenchmarkError("load: expected an end, got none")


def _outcome(sent: dict[tuple[str, int], int], receipts: Sequence[Receipt], activator: _Activator) -> SwapRun:
    answers: dict[tuple[str, int], Receipt] = {}
    last: dict[str, tuple[int, str]] = {}
    twice = jumps = bundles = 0
    for receipt in receipts:
        found = receipt.result.assessment
        seq, digest = last.get(found.engine, (found.seq - 1, found.bundle_digest))
        jumps += found.seq != seq + 1
        bundles += found.bundle_digest != digest
        last[found.engine] = (found.seq, found.bundle_digest)
        twice += (found.engine, found.end_ns) in answers
        if found.state != NOT_ASSESSED:
            answers.setdefault((found.engine, found.end_ns), receipt)
    total_s: dict[bool, list[float]] = {False: [], True: []}
    for key in sent.keys() & answers.keys():
        total_s[sent[key] >= activator.begun_ns].append((answers[key].received_ns - sent[key]) / NS_PER_S)
    return SwapRun(
        total_s=np.array(total_s[True]),
        calm_s=np.array(total_s[False]),
        lost=len(sent.keys() - answers.keys()),
        twice=twice,
        jumps=jumps,
        bundles=bundles,
        swap_s=np.array(activator.swap_s),
        uses=activator.uses,
    )
