"""Follow the README on a bare Debian, as somebody who has nothing but Python, make and the source tree.

Run by ``make test-bare``, as root. The mounts are this process's own and go with it. How this machine finds packages
(settings of pip, proxies, certificates, wheels) reaches the bare one by its environment and is written nowhere.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = "/home/newcomer"
FIRST_S, AGAIN_S = 600.0, 90.0
"""What the first demo may take, and the second."""
CERTIFICATES = "/etc/ssl/certs"
PASSED_ON = re.compile(r"(?i)^(https?_proxy|no_proxy|ssl_cert_file|requests_ca_bundle|pip_.*)$")


def main() -> int:
    """Unpack, follow, and tell how long it took."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("tree", type=Path, help="what make_tree.sh made")
    tree = options.parse_args().tree
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "root"
        root.mkdir(mode=0o755)
        subprocess.run(["tar", "--extract", "--zstd", "--file", str(tree), "--directory", str(root)], check=True)
        bring_source(root)
        return follow(root)


def bring_source(root: Path) -> None:
    """The tree as it is committed or about to be, without what was made in it."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True
    )
    target = root / HOME.lstrip("/") / "enginear"
    target.mkdir()
    pack = subprocess.run(
        ["tar", "--create", "--null", "--files-from=-"],
        cwd=ROOT,
        input=listed.stdout,
        check=True,
        stdout=subprocess.PIPE,
    )
    subprocess.run(["tar", "--extract", "--directory", str(target)], input=pack.stdout, check=True)
    subprocess.run(["chroot", str(root), "chown", "--recursive", "newcomer:newcomer", HOME], check=True)
    for name in ("resolv.conf", "hosts"):
        (root / "etc" / name).write_bytes(Path("/etc", name).read_bytes())


def follow(root: Path) -> int:
    """The first way of the README twice, then what a person would do next."""
    (first,) = first_way().splitlines()
    limits = {first: FIRST_S, f"{first} # again": AGAIN_S}
    verdict = 0
    for line, limit_s in limits.items():
        took_s = typed(root, line)
        kept = took_s <= limit_s
        say(f"{line}: {took_s:.0f} s, <= {limit_s:.0f} s {'kept' if kept else 'MISSED'}")
        verdict = verdict if kept else 1
    typed(
        root,
        "make setup && . .venv/bin/activate && ground doctor --workspace demo/simulated && ground --help >/dev/null",
    )
    return verdict


def first_way() -> str:
    """The first block that the README has a reader type."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block, *_) = re.findall(r"```sh\n(.*?)```", text[text.index("## Try it") :], re.DOTALL)
    return str(block)


def typed(root: Path, line: str) -> float:
    """Seconds that a line takes; one that fails ends all."""
    say(f"$ {line}")
    settings = package_settings()
    # With what is mounted below them: without /dev/shm there are no semaphores, and so no pools of processes.
    mounts = [f"mount --rbind {path} {root}{path}" for path in ("/proc", "/dev", "/sys")]
    for path in outermost({CERTIFICATES, *local_paths(settings)}):
        made = Path(f"{root}{path}")
        mounts.append(f"mkdir -p {shlex.quote(str(made if Path(path).is_dir() else made.parent))}")
        if Path(path).is_file():
            mounts.append(f"touch {shlex.quote(str(made))}")
        mounts.append(f"mount --bind --options ro {shlex.quote(path)} {shlex.quote(str(made))}")
    inside = f"cd {HOME}/enginear && {line}"
    environment = {"HOME": HOME, "PATH": "/usr/local/bin:/usr/bin:/bin", "TERM": "dumb", "LANG": "C.UTF-8", **settings}
    enter = f"exec chroot --userspec=newcomer:newcomer {root} /bin/sh -c {shlex.quote(inside)}"
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", "\n".join([*mounts, enter])]
    started_s = time.monotonic()
    subprocess.run(
        command, check=True, env=environment | {"PATH": f"{os.environ['PATH']}:/usr/sbin:{environment['PATH']}"}
    )
    return time.monotonic() - started_s


def say(line: str) -> None:
    """Print it now: what comes next takes minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def package_settings() -> dict[str, str]:
    """How this machine finds packages, as variables."""
    passed = {name: value for name, value in os.environ.items() if PASSED_ON.match(name)}
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True)
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        scope, _, key = name.rpartition(".")
        if scope in {"global", "install"}:
            variable = f"PIP_{key.upper().replace('-', '_')}"
            passed.setdefault(variable, value.strip("'\"").replace("\\n", " ").strip())
    return passed


def local_paths(settings: dict[str, str]) -> set[str]:
    """Folders and files of this machine that the settings name."""
    words = {word.removeprefix("file://") for value in settings.values() for word in value.split()}
    found = {word for word in words if word.startswith("/") and Path(word).exists()}
    # An index of links to files beside it needs its whole folder.
    return {str(Path(path).parent) if Path(path).name == "simple" else path for path in found}


def outermost(paths: set[str]) -> list[str]:
    """Without those that lie in another one."""
    return sorted(path for path in paths if not any(str(above) in paths for above in Path(path).parents))


if __name__ == "__main__":
    sys.exit(main())
