"""Build the Debian package of the edge agent: its own environment, complete, for Debian's Python 3.11.

Run by ``make deb``. The libraries are the wheels that ``edge.lock`` names by hash, fetched now and not at install. The
same sources and ``SOURCE_DATE_EPOCH`` (the changelog's date by default) give the same package, byte for byte.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from deb_files import arrange, finish
from deb_release import Release, read_release
from wheels import ROOT, build_wheel

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
GLIBC_MINORS = (36, 35, 34, 31, 28, 27, 17)
"""Wheels for these glibc 2.x run on Debian 12, which has 2.36; the newest fitting one is taken."""

VENV = Path("opt/enginear/venv")
SITE = VENV / "lib/python3.11/site-packages"
OWN = ("shared_features", "edge_agent")


@dataclass(frozen=True, slots=True)
class Target:
    """What machines the package is for.

    Attributes:
        architecture: Debian's name.
        platforms: pip's names, the most wanted first.
    """

    architecture: str
    platforms: tuple[str, ...]

    @classmethod
    def of(cls, architecture: str) -> Target:
        """The target of a Debian architecture."""
        machine = MACHINES[architecture]
        names = (*(f"manylinux_2_{minor}_{machine}" for minor in GLIBC_MINORS), f"manylinux2014_{machine}")
        return cls(architecture, names)

    @property
    def pip_options(self) -> list[str]:
        """Options that make pip choose wheels for the target, whatever runs it."""
        platforms = [option for name in self.platforms for option in ("--platform", name)]
        return ["--only-binary=:all:", "--implementation=cp", "--python-version=3.11", *platforms]


def main() -> int:
    """Build the package; prints its path."""
    options = _options()
    release = read_release(revision=options.revision)
    os.environ.setdefault("SOURCE_DATE_EPOCH", str(release.date_s))
    with tempfile.TemporaryDirectory() as folder:
        print(build(Target.of(options.arch), release, options.out.resolve(), Path(folder)))
    return 0


def build(target: Target, release: Release, out: Path, work: Path) -> Path:
    """Build the package of ``release`` for ``target`` into ``out``; ``work`` is an empty folder."""
    root = work / "root"
    install_libraries(target, root / SITE, work)
    make_environment(root)
    arrange(root)
    compile_modules(root)
    finish(root, release, target.architecture)
    out.mkdir(parents=True, exist_ok=True)
    package = out / f"enginear-edge-agent_{release.version}_{target.architecture}.deb"
    # One thread: how many compress changes the bytes.
    options = ["--root-owner-group", "-Zzstd", "-z9", "--threads-max=1"]
    subprocess.run(["/usr/bin/dpkg-deb", *options, "--build", root, package], check=True, stdout=subprocess.DEVNULL)
    return package


def install_libraries(target: Target, site: Path, work: Path) -> None:
    """Put the locked wheels of the target, hashes checked, and the wheels of this project into ``site``."""
    wheels = work / "wheels"
    own = work / "own"
    own.mkdir()
    for name in OWN:
        shutil.move(build_wheel(name, work / "built"), own)
    lock = ["--no-deps", "--require-hashes", "-r", str(ROOT / "packaging" / "edge.lock")]
    pip("download", *lock, *target.pip_options, "--dest", str(wheels))
    into = ["--no-index", "--no-compile", "--target", str(site), *target.pip_options]
    pip("install", *lock, *into, "--find-links", str(wheels))
    # Scripts for the interpreter that builds; the one that is wanted is written by make_environment.
    shutil.rmtree(site / "bin", ignore_errors=True)
    names = [f"enginear-{name.replace('_', '-')}" for name in OWN]
    pip("install", "--no-deps", *names, *into, "--find-links", str(own))
    shutil.rmtree(site / "bin")


def make_environment(root: Path) -> None:
    """Write what makes the folder a virtual environment at its final path, and the command in it."""
    programs = root / VENV / "bin"
    programs.mkdir(parents=True)
    (programs / "python3").symlink_to("/usr/bin/python3")
    (programs / "python").symlink_to("python3")
    (root / VENV / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11\n")
    # -I: no PYTHONPATH and no user's packages reach the agent.
    command = programs / "edge-agent"
    command.write_text(f"#!/{VENV}/bin/python3 -I\nimport sys\n\nfrom edge_agent.cli import main\n\nsys.exit(main())\n")


def compile_modules(root: Path) -> None:
    """Compile all modules, so that nothing is ever written beside them.

    Byte code belongs to a version of Python and not to a machine. It is taken unchecked: a source's time says nothing
    in a package, and the start is quicker.
    """
    python = shutil.which("python3.11", path="/usr/bin") or sys.executable
    options = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", "/", str(root / SITE)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    subprocess.run([python, "-I", "-m", "compileall", *options], check=True, env=environment)


def pip(*arguments: str) -> None:
    """Run pip quietly."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    subprocess.run(command, check=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", choices=MACHINES, default="amd64")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", metavar="FOLDER")
    parser.add_argument("--revision", default="", help="Debian revision, in place of the changelog's")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
