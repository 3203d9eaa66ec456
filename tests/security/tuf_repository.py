"""Update repositories from scratch, by python-tuf's own metadata: honest ones, and every dishonest one."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import http.server
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from edge_agent.offer import EPOCH_FIELD, OFFER_FIELD, SIGNED_FIELD, Offer, Rollout

FLEET = "test"
ROLE = f"bundles-{FLEET}"
NOW = datetime(2026, 11, 28, 18, 0, tzinfo=UTC)
"""When all of this takes place."""
NOW_S = NOW.timestamp()
YEAR = timedelta(days=365)


def signer(seed: int) -> CryptoSigner:
    """An ed25519 key that is the same in every run."""
    return CryptoSigner(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"key {seed}".encode()).digest()))


def keys_of(first: int, number: int) -> tuple[CryptoSigner, ...]:
    """Several keys."""
    return tuple(signer(first + index) for index in range(number))


class Maker:
    """Makes a repository in a folder: ``metadata`` and ``targets``; signs with whatever keys it is told to.

    Attributes:
        folder: The public tree.
        signers: Who signs each role, as the honest ceremony has it.
        now: When it does all that.
    """

    def __init__(self, folder: Path, now: datetime = NOW) -> None:
        self.folder = folder
        self.now = now
        self.signers = {
            "root": keys_of(100, 3),
            "targets": keys_of(200, 3),
            "snapshot": keys_of(300, 1),
            "timestamp": keys_of(400, 1),
            ROLE: keys_of(500, 2),
        }
        self.signed: dict[str, Any] = {
            "root": self._first_root(),
            "targets": self._first_targets(),
            ROLE: Targets(expires=now + YEAR),
            "snapshot": Snapshot(expires=now + YEAR),
            "timestamp": Timestamp(expires=now + timedelta(days=30)),
        }
        for path in ("metadata", "targets"):
            (folder / path).mkdir(parents=True)
        self.write_root()
        self.publish(first=True)

    @property
    def pinned_root(self) -> bytes:
        """The first root, as the integrator gets it."""
        return (self.folder / "metadata" / "1.root.json").read_bytes()

    def offer(self, bundle: Path, *, sequence: int, role: str = "active", **rollout: Any) -> str:
        """Offer a bundle; its digest. Takes ``publish`` to be seen."""
        data = bundle.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        offer = Offer(
            fleets=(FLEET,),
            role=role,
            bundle_id=f"small/{sequence}.0.0",
            sequence=sequence,
            part_number=f"EV-{sequence}",
            rollout=Rollout(**rollout),
        )
        self.put(ROLE, f"bundles/{FLEET}/{digest}.bundle", data, offer.document())
        return digest

    def key(self, hint: str, pem: bytes, *, kind: str = "bundle-key") -> None:
        """List a key that signs bundles."""
        self.put("targets", f"keys/{hint}.pem", pem, {"schema": 1, "kind": kind})

    def put(self, role: str, path: str, data: bytes, custom: dict[str, Any]) -> None:
        """List a file, and lay it where consistent snapshots have it."""
        target = TargetFile.from_data(path, data, ["sha256"])
        target.unrecognized_fields["custom"] = {OFFER_FIELD: custom}
        self.signed[role].targets[path] = target
        place = self.folder / "targets" / path
        place = place.with_name(f"{target.hashes['sha256']}.{place.name}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    def publish(
        self, *, first: bool = False, signed_at: datetime | None = None, **signers: tuple[CryptoSigner, ...]
    ) -> None:
        """Sign and write all but the root, each in its next version.

        Args:
            first: Whether they are the first versions.
            signed_at: When the timestamp says it was signed.
            signers: Who signs a role (``bundles`` for the delegated one), other than the honest ones.
        """
        for role in (ROLE, "targets", "snapshot", "timestamp"):
            signed = self.signed[role]
            signed.version += 0 if first else 1
            when = signed_at if signed_at and role == "timestamp" else self.now
            signed.unrecognized_fields[SIGNED_FIELD] = when.strftime("%Y-%m-%dT%H:%M:%SZ")
            if role == "snapshot":
                signed.meta = {f"{name}.json": MetaFile(self.signed[name].version) for name in ("targets", ROLE)}
            if role == "timestamp":
                signed.snapshot_meta = MetaFile(self.signed["snapshot"].version)
            name = "bundles" if role == ROLE else role
            self.write(role, signers.get(name, self.signers[role]))

    def write(self, role: str, signers: tuple[CryptoSigner, ...]) -> None:
        """Sign and write a role as it is."""
        signed = self.signed[role]
        name = "timestamp.json" if role == "timestamp" else f"{signed.version}.{role}.json"
        (self.folder / "metadata" / name).write_bytes(sealed(signed, signers))

    def write_root(self, *signers: CryptoSigner) -> None:
        """Sign and write the root, by its own keys unless told otherwise."""
        self.write("root", signers or self.signers["root"][:2])

    def rotate(self, role: str, new: tuple[CryptoSigner, ...]) -> None:
        """Give a top-level role other keys, by the next root, signed by the keys of the last one and by its own."""
        root = self.signed["root"]
        before = self.signers["root"]
        for keyid in list(root.roles[role].keyids):
            root.revoke_key(keyid, role)
        for each in new:
            root.add_key(each.public_key, role)
        self.signers[role] = new
        root.version += 1
        self.write_root(*dict.fromkeys((*before[:2], *self.signers["root"][:2])))

    def open_epoch(self, epoch: int) -> None:
        """Let the next root state an epoch."""
        self.signed["root"].unrecognized_fields[EPOCH_FIELD] = epoch
        self.signed["root"].version += 1
        self.write_root()

    def copy_to(self, folder: Path) -> Path:
        """The repository as it is now, elsewhere."""
        shutil.copytree(self.folder, folder)
        return folder

    def remember(self) -> Callable[[], None]:
        """Gives what sets its metadata back to what they are now, files excepted."""
        before = copy.deepcopy(self.signed)
        return lambda: self.signed.update(copy.deepcopy(before))

    def _first_root(self) -> Root:
        root = Root(
            expires=self.now + 3 * YEAR,
            roles={
                role: Role([], 2 if role in ("root", "targets") else 1)
                for role in ("root", "targets", "snapshot", "timestamp")
            },
            consistent_snapshot=True,
            unrecognized_fields={EPOCH_FIELD: 0},
        )
        for role in root.roles:
            for each in self.signers[role]:
                root.add_key(each.public_key, role)
        return root

    def _first_targets(self) -> Targets:
        role = DelegatedRole(ROLE, [], threshold=1, terminating=True, paths=[f"bundles/{FLEET}/*"])
        targets = Targets(expires=self.now + YEAR, delegations=Delegations({}, {ROLE: role}))
        for each in self.signers[ROLE]:
            targets.add_key(each.public_key, ROLE)
        return targets


def sealed(signed: Any, signers: tuple[CryptoSigner, ...]) -> bytes:
    """Metadata, signed by whoever wants to."""
    metadata: Metadata[Any] = Metadata(copy.deepcopy(signed))
    for each in signers:
        metadata.sign(each, append=True)
    return metadata.to_bytes()


@dataclasses.dataclass
class Manners:
    """How a server answers.

    Attributes:
        drips: Whether it sends a byte at a time.
        drips_header: Whether it does so within the header.
        endless: Names of files that never end.
        short: Names of files of which it sends half.
        asked: What was asked for.
    """

    drips: bool = False
    drips_header: bool = False
    endless: str = ""
    short: str = ""
    asked: list[str] = dataclasses.field(default_factory=list)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, in the manners of its server."""

    manners: Manners

    def __init__(self, *arguments: Any, manners: Manners, **more: Any) -> None:
        self.manners = manners
        super().__init__(*arguments, **more)

    def do_GET(self) -> None:
        """Answer."""
        self.manners.asked.append(self.path)
        path = Path(self.translate_path(self.path))
        if self.manners.drips_header:
            self._drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 60_000)
        elif self.manners.endless and self.manners.endless in self.path:
            self._begin()
            while self._write(b" " * 65_536):
                pass
        elif self.manners.drips and path.is_file():
            self._begin()
            self._drip(path.read_bytes())
        elif self.manners.short and self.manners.short in self.path:
            content = path.read_bytes()
            self._begin(len(content))
            self._write(content[: len(content) // 2])
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _begin(self, length: int = 0) -> None:
        self.send_response(200)
        if length:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _drip(self, content: bytes) -> None:
        for index in range(len(content)):
            if not self._write(content[index : index + 1]):
                return
            time.sleep(0.01)

    def _write(self, content: bytes) -> bool:
        try:
            self.wfile.write(content)
            self.wfile.flush()
        except OSError:
            return False
        return True


class Server(http.server.ThreadingHTTPServer):
    """A server whose threads do not keep the tests from ending."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """Whoever hangs up is no error."""


@contextmanager
def serve(folder: Path, manners: Manners) -> Iterator[str]:
    """A web server on the loopback; its address."""
    server = Server(("127.0.0.1", 0), partial(Handler, directory=str(folder), manners=manners))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
