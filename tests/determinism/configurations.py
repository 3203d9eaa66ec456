"""The same machine with less of it in use: code paths of numpy, of the BLAS and of the C library, by environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).resolve().parent.parent.parent
_AVX512 = ("X86_V4", "AVX512F", "AVX512CD", "AVX512_SKX", "AVX512_CLX", "AVX512_CNL", "AVX512_ICL", "AVX512_SPR")
_AVX2 = ("X86_V3", "AVX2", "FMA3")
_NO_FMA_LIBM = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA"}


@dataclass(frozen=True, slots=True)
class Configuration:
    """One way to run the golden set on this machine.

    Attributes:
        name: As the table shows it.
        environment: What is set for the process.
        absent: Features of the processor that numpy must not see, where the machine has them.
    """

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ()


def _without(*names: str) -> dict[str, str]:
    """Environment that hides the code paths ``names`` from numpy; it warns of names that it has not got."""
    from numpy._core._multiarray_umath import __cpu_dispatch__

    return {"NPY_DISABLE_CPU_FEATURES": " ".join(name for name in __cpu_dispatch__ if name in names)}


def configurations() -> Iterator[Configuration]:
    """What this machine can be run as; the first is the machine as it is."""
    yield Configuration("as it is")
    yield Configuration("AVX512 off", _without(*_AVX512), ("X86_V4", "AVX512_SKX"))
    yield Configuration("AVX2 off", _without(*_AVX512, *_AVX2), ("X86_V3", "X86_V4", "AVX512_SKX"))
    for core in ("Prescott", "Nehalem", "Sandybridge", "Haswell", "SkylakeX"):
        yield Configuration(f"OpenBLAS {core}", {"OPENBLAS_CORETYPE": core})
    yield Configuration("four BLAS threads", {"OPENBLAS_NUM_THREADS": "4"})
    yield Configuration("C library without FMA", _NO_FMA_LIBM)
    yield Configuration(
        "all of it off", {**_without(*_AVX512, *_AVX2), **_NO_FMA_LIBM, "OPENBLAS_CORETYPE": "Prescott"}, ("X86_V3",)
    )


def run_golden_set(
    out: Path,
    *,
    python: str = sys.executable,
    environment: Mapping[str, str] = MappingProxyType({}),
    real: Path | None = None,
) -> Path:
    """Compute the golden set in a process of its own.

    Args:
        out: The file it writes.
        python: The interpreter.
        environment: Set for the process.
        real: Spans of real recordings that belong to the set.

    Raises:
        subprocess.CalledProcessError: It failed, or a stream differed from its batch.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("NPY_", "OPENBLAS_"))}
    subprocess.run(
        [python, "-m", "tests.determinism.golden_set", str(out), *([str(real)] if real else [])],
        check=True,
        cwd=ROOT,
        env={**inherited, "PYTHONPATH": str(ROOT), **environment},
    )
    return out
