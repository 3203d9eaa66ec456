"""What the agent touches: the broker's socket and its state folder, and nothing else, with CI unset as on board.

Libraries have been seen to open sockets for telemetry and caches in the home folder, and to keep quiet where ``CI`` is
set. So Python's audit events are recorded for the whole run, and the kernel's view of the process is held beside them:
native code raises no audit events, but it leaves sockets and files.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from edge_agent.wire import encode_frame

STATUS = "enginear/a1/status"
RESULT = "aircraft/OO-ABC/engine/1/result"

RECORDER = """\
import os, runpy, sys
log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

def note(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.sendto"):
        os.write(log, f"{event} {arguments[1]}\\n".encode())
    elif event == "open" and arguments[2] & WRITING:
        os.write(log, f"write {os.path.abspath(arguments[0])}\\n".encode())
    elif event in ("os.mkdir", "os.rename", "os.link", "os.symlink", "os.remove"):
        os.write(log, f"write {os.path.abspath(arguments[0])}\\n".encode())
    elif event in ("subprocess.Popen", "os.fork", "os.exec", "os.posix_spawn", "os.system"):
        os.write(log, f"process {arguments}\\n".encode())

sys.addaudithook(note)
sys.argv = sys.argv[3:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def test_one_socket_and_one_folder(broker: Any, peer: Any, make_agent: Any, small_bundle: Any, tmp_path: Path) -> None:
    """From the first import to the clean end: one socket, to the broker, and no file outside the state folder."""
    agent = make_agent(broker.port)
    recorder, events = tmp_path / "recorder.py", tmp_path / "events"
    recorder.write_text(RECORDER)
    events.touch()
    agent.start(sys.executable, str(recorder), str(events))
    agent.notified(b"READY=1")
    peer.subscribe(STATUS)
    peer.next_where(lambda message: b'"online"' in message.payload)
    peer.subscribe(RESULT)
    for frame in small_bundle.frames(4.0):
        peer.publish("aircraft/OO-ABC/engine/1/vibration", encode_frame(frame))
    peer.next_where(lambda message: message.topic == RESULT)
    remote_ports = tcp_peers(agent.process.pid)
    assert sockets_of(agent.process.pid) == 1
    assert remote_ports == [broker.port]
    assert agent.stop() == 0

    kinds: dict[str, set[str]] = {}
    for line in events.read_text().splitlines():
        kind, _, detail = line.partition(" ")
        kinds.setdefault(kind, set()).add(detail)
    assert kinds.pop("socket.connect") == {str(("127.0.0.1", broker.port))}
    assert kinds.pop("socket.sendto") == {str(agent.folder / "notify")}
    written = kinds.pop("write")
    assert written
    assert {path for path in written if not path.startswith(str(agent.state_dir))} == set()
    # The library names the port of its end of the connection, any; it does not listen there.
    assert kinds.pop("socket.bind") == {str(("", 0))}
    assert kinds == {}
    assert list(agent.home.iterdir()) == []
    # The journal is there only if the broker took its time.
    kept = {path.name for path in agent.state_dir.iterdir()} - {"journal"}
    assert kept == {"status.json", "config.good", "audit.log", "audit.lock", "audit.sent"}


def sockets_of(pid: int) -> int:
    """Open sockets of a process, of any kind."""
    return sum(name.startswith("socket:") for name in descriptors_of(pid))


def descriptors_of(pid: int) -> list[str]:
    """What the descriptors of a process stand for."""
    names = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            names.append(str(descriptor.readlink()))
    return names


def tcp_peers(pid: int) -> list[int]:
    """Remote ports of the TCP sockets of a process, listening ones (port 0) included."""
    own = {match.group(1) for name in descriptors_of(pid) if (match := re.fullmatch(r"socket:\[(\d+)\]", name))}
    rows = [
        row.split()
        for table in ("tcp", "tcp6")
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    ]
    return [int(row[2].rpartition(":")[2], 16) for row in rows if row[9] in own]
