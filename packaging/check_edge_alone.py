"""Build the edge wheels, install them alone by the hash-locked requirements, and show that nothing heavy came along.

Run by ``make clean-env-check``. Exits non-zero when a wheel lacks a module of its folder, when a locked requirement is
missing, or when a library that must never fly can be imported.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from wheels import ROOT, build_wheel

EDGE = ("shared_features", "edge_agent")
PACKED = {".py", ".html", ".css", ".yaml", ".typed"}
FORBIDDEN = ("torch", "scipy", "pandas", "pyarrow", "yaml", "onnx", "sklearn", "pydantic", "matplotlib", "ground")


def main() -> int:
    """Run the check; 0 when the edge stands alone."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        wheels = {name: build_wheel(name, work / "wheels") for name in (*EDGE, "ground")}
        problems = [problem for name, wheel in wheels.items() for problem in missing(name, wheel)]
        python = install(work / "venv", [wheels[name] for name in EDGE])
        problems += forbidden(python, work)
    for problem in problems:
        print(problem)
    print("edge alone:", "FAILED" if problems else "ok")
    return 1 if problems else 0


def missing(name: str, wheel: Path) -> list[str]:
    """Files of the folder that the wheel lacks: an unlisted subpackage or data file vanishes silently."""
    files = [path for path in (ROOT / name).rglob("*") if path.suffix in PACKED and "build" not in path.parts]
    tree = {path.relative_to(ROOT).as_posix() for path in files}
    packed = set(zipfile.ZipFile(wheel).namelist())
    return [f"{wheel.name}: expected {path}, got nothing; list its package in pyproject.toml" for path in tree - packed]


def install(venv: Path, wheels: list[Path]) -> Path:
    """A fresh environment with the locked requirements and the wheels; returns its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    python = venv / "bin" / "python"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    subprocess.run([*pip, "--require-hashes", "--no-deps", "-r", str(ROOT / "packaging" / "edge.lock")], check=True)
    subprocess.run([*pip, "--no-deps", "--no-index", *map(str, wheels)], check=True)
    return python


def forbidden(python: Path, work: Path) -> list[str]:
    """What can be imported there and must not be, and whether the agent starts."""
    code = f"import importlib.util as u; print(*[n for n in {FORBIDDEN!r} if u.find_spec(n)])"
    found = subprocess.run(
        [str(python), "-c", code], check=True, capture_output=True, text=True, cwd=work
    ).stdout.split()
    problems = [f"{name}: expected not to be installed on the edge, got it; remove the dependency" for name in found]
    agent = subprocess.run([str(python.parent / "edge-agent"), "--version"], check=False, cwd=work, capture_output=True)
    updater = "import edge_agent.update_run"  # what the one-shot updater brings: its extra `ota` is in the lock
    update = subprocess.run([str(python), "-c", updater], check=False, cwd=work, capture_output=True)
    if update.returncode:
        problems.append(f"edge-agent update: expected python-tuf, got: {update.stderr.decode()}")
    if agent.returncode:
        problems.append(f"edge-agent --version: expected exit 0, got {agent.returncode}: {agent.stderr.decode()}")
    return problems


if __name__ == "__main__":
    sys.exit(main())
