"""The proof of a bundle in a process of its own, limited in memory, processor time and time.

Its model is signed and scanned, but was never run here: one that eats the machine must not eat the agent with it.
Run as a program, it reads an archive from standard input and says on standard output why it is refused, if it is.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from edge_agent.archive import read_archive, write_archive
from edge_agent.confine import shut_in
from edge_agent.errors import BundleError, GoldenMismatch, ModelRejected, ScorerError, SlotRefused

MEMORY_MIB: Final = 1_024
CPU_S: Final = 120
WALL_S: Final = 300.0
START_WALL_S: Final = 30.0
"""At a start: half of what systemd gives the agent to be ready."""
MODEL_LIMITS: Final = "model_limits"
_MIB = 1024 * 1024
_NICE = 10
_GOLDEN = "golden"


def prove_in_child(members: Mapping[str, bytes], *, memory_mib: int = MEMORY_MIB, wall_s: float = WALL_S) -> None:
    """Make the session of a verified bundle and replay its golden vectors, in a limited child.

    Args:
        members: The members, verified; these very bytes go to the child.
        memory_mib: Most memory it may have, MiB.
        wall_s: Longest time it may take, s.

    Raises:
        ModelRejected: ``model_interface``.
        GoldenMismatch: As ``replay_golden``.
        SlotRefused: The child gave no verdict, which may be the machine's fault. ``model_limits``: it was ended before
            it was done; ``no_child``: there is no room for another process.
    """
    # -P: nothing in the working folder takes the place of a module; the agent's own folder is named instead.
    command = [sys.executable, "-P", "-m", "edge_agent.prove_child", str(memory_mib)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    try:
        child = subprocess.run(
            command, input=write_archive(members), capture_output=True, timeout=wall_s, env=environment, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise _ended(f"still running after {wall_s:g} s", memory_mib, wall_s) from error
    except OSError as error:
        raise SlotRefused(
            "no_child", f"golden vectors: expected a process to prove them in, got {error.strerror}; make room for one"
        ) from error
    if child.returncode:
        lines = child.stderr.decode("utf-8", "replace").splitlines() or [""]
        raise _ended(f"ended with {child.returncode} {lines[-1][:200]}".strip(), memory_mib, wall_s)
    try:
        reason, text = json.loads(child.stdout)
        kind = GoldenMismatch if reason.startswith(_GOLDEN) else ModelRejected
    except (ValueError, TypeError, AttributeError) as error:
        raise _ended("gave no verdict", memory_mib, wall_s) from error
    if reason:
        raise kind(reason, text)


def main(memory_mib: int) -> None:
    """The child: limits itself before it reads anything, and shuts itself in before it runs a model."""
    _give_way()
    limits = (
        (resource.RLIMIT_DATA, memory_mib * _MIB),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    )
    for which, limit in limits:
        resource.setrlimit(which, (limit, limit))
    verdict = ("", "")
    archive = sys.stdin.buffer.read()
    from edge_agent import golden, golden_vectors, scorer  # noqa: F401 - no module can be read any more once it is shut in

    shut_in()
    try:
        _prove(read_archive(archive))
    except ScorerError as error:
        verdict = ("model_interface", str(error))
    except BundleError as error:
        verdict = (error.reason, str(error))
    sys.stdout.write(json.dumps(verdict))


def _give_way() -> None:
    """Behind an agent that decides meanwhile: on the processor, and where memory runs out."""
    with suppress(OSError):
        os.nice(_NICE)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _prove(members: Mapping[str, bytes]) -> None:
    from edge_agent.golden import replay_golden
    from edge_agent.golden_vectors import GoldenVectors
    from edge_agent.layout import FEATURE_SPEC, MODEL
    from edge_agent.scorer import Scorer
    from shared_features.spec import FeatureSpec
    from shared_features.vector import columns_of

    spec = FeatureSpec.from_json(members[FEATURE_SPEC])
    replay_golden(GoldenVectors.from_members(members), spec, Scorer(members[MODEL], len(columns_of(spec))))


def _ended(how: str, memory_mib: int, wall_s: float) -> SlotRefused:
    return SlotRefused(
        MODEL_LIMITS,
        f"model: expected golden vectors within {memory_mib} MiB, {CPU_S} s of processor and {wall_s:g} s, got a "
        f"process that {how}; make room for it and activate it again, or make the model smaller",
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
