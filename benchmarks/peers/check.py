"""Whether a peer computes what we compute: every compared feature of every window, before anything is timed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.errors import BenchmarkError
from benchmarks.feature_cases import check_assessed, windows_of
from benchmarks.peers.signals import NAMES, SIGNALS, SPEC, recording
from benchmarks.specs import RATE_HZ, speeds_of
from shared_features.extract import extract_windows
from shared_features.vector import columns_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmarks.peers.peer import Peer

_MOST_OTHER_CPU = 1.1
"""CPU time of the whole process over that of its main thread: more of it means threads that would go unmeasured."""


def our_values(samples: NDArray[np.float32]) -> Mapping[str, NDArray[np.float64]]:
    """By the names of our features, (n_window,) values of a recording of one channel, (n,)."""
    windows = extract_windows(SPEC, samples[:, np.newaxis], speeds_of(SPEC))
    check_assessed(windows, windows_of(SPEC, len(samples) / RATE_HZ))
    names = [column.name.partition(".")[2] for column in columns_of(SPEC)]
    table = np.stack([window.values for window in windows]).astype(np.float64)
    return dict(zip(names, table.T, strict=True))


def check_peer(peer: Peer, seconds: float) -> Mapping[str, float]:
    """Compare a peer with us on every signal.

    Returns:
        By the name of each compared feature, the largest difference as a share of what is allowed.

    Raises:
        BenchmarkError: A feature is further off than its agreement allows, or is neither compared nor left out.
    """
    if set(peer.agreements) | set(peer.left_out) != set(NAMES):
        missing = set(NAMES) - set(peer.agreements) - set(peer.left_out)
        raise BenchmarkError(f"{peer.name}: expected every feature compared or left out, got neither for {missing}")
    found: dict[str, float] = {}
    for signal in SIGNALS:
        samples = recording(signal, seconds)
        ours = our_values(samples)
        theirs = peer.values(peer.prepare(samples.astype(np.float64))())
        for name, agreement in peer.agreements.items():
            if agreement.signal == signal:
                allowed = agreement.atol + agreement.rtol * np.abs(ours[name])
                found[name] = float(np.max(np.abs(theirs[name] - ours[name]) / allowed))
    _refuse_far(peer, found)
    return found


def _refuse_far(peer: Peer, found: Mapping[str, float]) -> None:
    # A NaN is no agreement either.
    far = [f"{name} by {share:.3g} times what is allowed" for name, share in found.items() if not share <= 1.0]
    if far:
        raise BenchmarkError(f"{peer.name}: expected our features, got others: {', '.join(far)}; nothing was timed")


def check_single_thread(name: str, call: Callable[[], object]) -> None:
    """Refuse a call that works in other threads: the CPU time of this one would not show it.

    Raises:
        BenchmarkError: Other threads of the process spent CPU time meanwhile.
    """
    process_s, thread_s = time.process_time(), time.thread_time()
    call()
    process_s, thread_s = time.process_time() - process_s, time.thread_time() - thread_s
    if process_s > _MOST_OTHER_CPU * thread_s:
        raise BenchmarkError(
            f"{name}: expected one thread, got {process_s:.3g} s of CPU time, of them {thread_s:.3g} in this thread; "
            "set OPENBLAS_NUM_THREADS=1 and OMP_NUM_THREADS=1"
        )
