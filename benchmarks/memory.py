"""The memory that a recording of many gigabytes needs: extracted in a process of its own, whose peak is read."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.errors import BenchmarkError
from benchmarks.feature_cases import windows_of
from benchmarks.specs import speeds_of, usual_spec
from benchmarks.vibration import vibration
from shared_features.extract import StreamingExtractor

QUICK_GB = 1.0
FULL_GB = 10.0

_FILE_S = 120.0
_CHUNK_S = 60.0
_STATUS = Path("/proc/self/status")
_TIMEOUT_S = 1_800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """What extracting a long recording took.

    Attributes:
        read_gb: Gigabytes (1e9 bytes) of float32 samples that were read from the file and extracted.
        windows: Windows that came out and were kept, all of them assessed.
        start_mb: Peak resident memory, in megabytes (1e6 bytes), before the first sample: Python, numpy, the spec.
        peak_mb: Peak resident memory in the end.
        cpu_s: Thread CPU time.
    """

    read_gb: float
    windows: int
    start_mb: float
    peak_mb: float
    cpu_s: float


def measure_memory(gigabytes: float) -> MemoryUse:
    """Extract ``gigabytes`` of one channel in a child process.

    The file is shorter and read over and over: every byte is read and extracted, and no disk is filled.

    Raises:
        BenchmarkError: The child failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.f32"
        vibration(usual_spec(), _FILE_S).tofile(path)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.memory", str(path), str(round(gigabytes * 1e9))],
            cwd=Path(__file__).resolve().parents[1],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    if done.returncode != 0:
        raise BenchmarkError(f"memory: expected the child to extract the recording, got:\n{done.stderr.strip()}")
    return MemoryUse(**json.loads(done.stdout))


def extract_file(path: Path, n_bytes: int) -> MemoryUse:
    """Read a file over and over, in chunks of a minute, until ``n_bytes`` were extracted; whole chunks only."""
    spec = usual_spec()
    speeds = speeds_of(spec)
    extractor = StreamingExtractor(spec)
    chunk = np.empty((round(_CHUNK_S * spec.sampling_rate_hz), 1), dtype=np.float32)
    chunks = -(-n_bytes // chunk.nbytes)
    start_mb = _peak_mb()
    begin_s = time.thread_time()
    windows = []
    with path.open("rb", buffering=0) as source:
        for _ in range(chunks):
            while source.readinto(chunk.data.cast("B")) != chunk.nbytes:
                source.seek(0)
            windows += extractor.push(chunk, speeds)
    cpu_s = time.thread_time() - begin_s
    expected = windows_of(spec, chunks * _CHUNK_S)
    if len(windows) != expected or any(window.reason for window in windows):
        raise BenchmarkError(f"memory: expected {expected} assessed windows, got {len(windows)} or a reason")
    return MemoryUse(
        read_gb=chunks * chunk.nbytes / 1e9, windows=expected, start_mb=start_mb, peak_mb=_peak_mb(), cpu_s=cpu_s
    )


def _peak_mb() -> float:
    """Peak resident set of this process; unlike getrusage's, it does not start from the parent's."""
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) * 1024 / 1e6
    raise BenchmarkError(f"memory: expected VmHWM in {_STATUS}, got none; this needs Linux")


if __name__ == "__main__":
    print(json.dumps(asdict(extract_file(Path(sys.argv[1]), int(sys.argv[2])))))
