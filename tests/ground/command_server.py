"""Our commands in shell scripts, without a Python that loads everything for each: forks of one process that has.

``python -m tests.ground.command_server FOLDER`` serves until it is killed. A command is a script in ``FOLDER/bin`` that
hands over its arguments, folder, environment and streams.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import sys
from pathlib import Path

from edge_agent.cli import main as run_edge_agent
from ground import key_file
from tests.ground.repo_ceremony import run_ground

LOADED = (
    "edge_agent.command_update",
    "edge_agent.update_run",
    "ground.fleet.repo.founding",
    "ground.fleet.repo.offers",
    "ground.fleet.repo.publication",
    "ground.fleet.repo.state_report",
)
"""What commands import when they run: loaded once for all."""
CLIENT = """#!{python} -SE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [b"0"], [0, 1, 2])
    server.sendall(json.dumps([{name!r}, sys.argv[1:], os.getcwd(), dict(os.environ)]).encode())
    server.shutdown(socket.SHUT_WR)
    sys.exit(int(server.recv(16) or b"99"))
"""


def write_commands(folder: Path) -> Path:
    """Write the scripts; the folder for ``PATH``."""
    programs = folder / "bin"
    programs.mkdir()
    for name in ("ground", "edge-agent"):
        program = programs / name
        program.write_text(CLIENT.format(python=sys.executable, address=str(folder / "socket"), name=name))
        program.chmod(0o755)
    return programs


def serve(folder: Path) -> None:
    """Run a command for each connection, in a fork."""
    key_file.ITERATIONS = 1000  # for speed: what a password costs is no matter of the page
    for module in LOADED:
        importlib.import_module(module)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    connection.sendall(str(_answer(connection)).encode())
                    os._exit(0)


def _answer(connection: socket.socket) -> int:
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    name, arguments, folder, environment = json.loads(connection.makefile("rb").read())
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    try:
        return int(run_ground(*arguments) if name == "ground" else run_edge_agent(arguments))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
