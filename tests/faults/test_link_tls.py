"""The link over TLS to a real mosquitto: certificates of both sides, renewed and wrong ones, and long payloads."""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.publication import Publication
from tests.conftest import Broker, Peer, wait_until
from tests.faults.certificates import Authority, Pair
from tests.faults.ends import INPUT, QUICK, WAIT_S, Ends, linked
from tests.faults.tls_front import tls_front

KIB = 1024
SECRET = "a word"  # noqa: S105 - of a key that lives for one test


class SecureBroker:
    """A mosquitto with a TLS listener and, for the tests' own client, a plain one."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self._broker = broker
        self.authority = Authority(folder)
        self.ours = self.authority.sign("edge-1")
        self._server = self.authority.sign("localhost", addresses=("127.0.0.1",))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._plain_port: int = probe.getsockname()[1]
        self.port = broker.port

    def start(self, *settings: str, server: Pair | None = None) -> Peer:
        """Start, with further lines for the TLS listener; returns a client of the plain one."""
        pair = server or self._server
        self._broker.start(
            f"cafile {self.authority.file}", f"certfile {pair.certificate}", f"keyfile {pair.key}", *settings,
            f"listener {self._plain_port} 127.0.0.1",
        )  # fmt: skip
        wait_until(self._answers, "mosquitto to listen on both ports")
        return Peer(self._plain_port)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._plain_port)) == 0


@pytest.fixture
def secure(stopped_broker: Broker, tmp_path: Path) -> SecureBroker:
    """A broker that is not running yet."""
    return SecureBroker(stopped_broker, tmp_path)


@pytest.fixture
def secure_link(secure: SecureBroker) -> Iterator[tuple[Ends, Peer]]:
    """A link over TLS with certificates on both sides, which stands, and a client of the broker."""
    peer = secure.start("require_certificate true")
    with linked(secure.port, **keys_of(secure)) as ends:
        ends.wait_for_up()
        yield ends, peer
    peer.close()


def keys_of(secure: SecureBroker, pair: Pair | None = None) -> dict[str, Any]:
    """The keys of ``[broker]`` for a certificate of ours."""
    pair = pair or secure.ours
    return {
        "tls": True, "ca_file": str(secure.authority.file),
        "cert_file": str(pair.certificate), "key_file": str(pair.key),
    }  # fmt: skip


def test_both_sides_show_a_certificate(secure: SecureBroker) -> None:
    """A link with certificates on both sides says which TLS it speaks."""
    peer = secure.start("require_certificate true", "use_identity_as_username true")
    with linked(secure.port, **keys_of(secure)) as ends:
        state = ends.wait_for_up()
        assert (state.tls, state.protocol, state.error) == ("TLSv1.3", "5", "")
    peer.close()


def limit_version(version: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a broker that is started from now on speak at most ``version``."""
    settings = folder / "openssl.cnf"
    settings.write_text(
        "openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = limits\n"
        f"[limits]\nMaxProtocol = {version}\n"
    )
    monkeypatch.setenv("OPENSSL_CONF", str(settings))


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_both_versions(secure: SecureBroker, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS 1.2 is spoken where the broker has no more."""
    limit_version(version, tmp_path, monkeypatch)
    secure.start().close()
    with linked(secure.port, **keys_of(secure)) as ends:
        assert ends.wait_for_up().tls == version


@pytest.mark.parametrize("size", [100, 16 * KIB, 16 * KIB + 1, 300 * KIB, 3 * KIB * KIB])
def test_payloads_of_every_size(secure_link: tuple[Ends, Peer], size: int) -> None:
    """Payloads of more than one TLS record arrive whole, in both directions."""
    ends, peer = secure_link
    payload = os.urandom(size)
    peer.publish(INPUT, payload)
    assert ends.arrivals.get(timeout=WAIT_S).payload == payload
    peer.subscribe("r")
    ends.link.publish(Publication(topic="r", payload=payload))
    assert peer.next().payload == payload


def test_many_messages_in_one_record(broker: Broker, peer: Peer, tmp_path: Path) -> None:
    """What was decrypted is read without waiting for more: poll(2) does not see it.

    A hundred small frames come in few TLS records. With a tick of an hour, one that is left in the library's buffer
    would not come at all.
    """
    authority = Authority(tmp_path)
    patient = dataclasses.replace(QUICK, tick_s=3_600.0)
    with (
        tls_front(broker.port, authority.sign("localhost", addresses=("127.0.0.1",))) as front,
        linked(front.port, patient, tls=True, ca_file=str(authority.file)) as ends,
    ):
        ends.wait_for_up()
        peer.flood(INPUT, [b"%d" % number for number in range(100)])
        assert [ends.arrivals.get(timeout=WAIT_S).payload for _ in range(100)] == [b"%d" % n for n in range(100)]


def test_renewed_certificate(secure: SecureBroker) -> None:
    """An expired certificate is named; one that replaces it in the same files counts from the next attempt."""
    secure.start("require_certificate true").close()
    pair = secure.authority.sign("edge-1", from_days=-9, to_days=-2)
    with linked(secure.port, **keys_of(secure, pair)) as ends:
        error = ends.wait_for_error()
        assert error.startswith(
            f"broker.cert_file ({pair.certificate}): expected a certificate that the broker accepts"
        )
        assert "expired" in error
        assert secure.authority.sign("edge-1") == pair
        state = ends.wait_for_up()
        assert state.ends["tls"] >= 1


def other_authority(secure: SecureBroker, folder: Path) -> dict[str, Any]:
    """We trust another authority than the broker's."""
    return keys_of(secure) | {"ca_file": str(Authority(folder, "other").file)}


def stranger(_secure: SecureBroker, folder: Path) -> dict[str, Any]:
    """Our certificate is of an authority that the broker does not know."""
    return keys_of(_secure, Authority(folder, "other").sign("edge-9"))


def no_certificate(secure: SecureBroker, _folder: Path) -> dict[str, Any]:
    """We show none."""
    return {"tls": True, "ca_file": str(secure.authority.file)}


def system_authorities(_secure: SecureBroker, _folder: Path) -> dict[str, Any]:
    """We trust the authorities of the system only."""
    return {"tls": True}


def missing_authority(secure: SecureBroker, folder: Path) -> dict[str, Any]:
    """The authority's file is not there."""
    return keys_of(secure) | {"ca_file": str(folder / "none.pem")}


def bad_authority(secure: SecureBroker, folder: Path) -> dict[str, Any]:
    """The authority's file holds none."""
    (folder / "bad.pem").write_text("no certificate\n")
    return keys_of(secure) | {"ca_file": str(folder / "bad.pem")}


def missing_key(secure: SecureBroker, folder: Path) -> dict[str, Any]:
    """The key's file is not there."""
    return keys_of(secure) | {"key_file": str(folder / "none.key")}


def other_key(secure: SecureBroker, _folder: Path) -> dict[str, Any]:
    """The key is that of another certificate."""
    return keys_of(secure) | {"key_file": str(secure.authority.sign("edge-8").key)}


def bad_key(secure: SecureBroker, _folder: Path) -> dict[str, Any]:
    """The key's file holds a certificate."""
    return keys_of(secure) | {"key_file": str(secure.ours.certificate)}


def bad_certificate(secure: SecureBroker, _folder: Path) -> dict[str, Any]:
    """The certificate's file holds a key."""
    return keys_of(secure) | {"cert_file": str(secure.ours.key)}


def locked_key(secure: SecureBroker, _folder: Path) -> dict[str, Any]:
    """The key has a password, and we have none."""
    return keys_of(secure, secure.authority.sign("edge-7", password=SECRET))


def wrong_key_password(secure: SecureBroker, folder: Path) -> dict[str, Any]:
    """The key has another password."""
    (folder / "password").write_text("wrong\n")
    return locked_key(secure, folder) | {"key_password_file": str(folder / "password")}


WRONG: list[tuple[Callable[[SecureBroker, Path], dict[str, Any]], str, str]] = [
    (other_authority, "tls", "broker.ca_file ({folder}/other.pem): expected the authority that signed"),
    (system_authorities, "tls", "broker.ca_file (the system's): expected the authority that signed"),
    (stranger, "tls", "broker.cert_file ({folder}/edge-9.pem): expected a certificate that the broker accepts"),
    (no_certificate, "tls", "broker.cert_file: the broker expected a certificate of ours"),
    (missing_authority, "files", "broker.ca_file: expected a readable file, got {folder}/none.pem: No such file"),
    (bad_authority, "files", "broker.ca_file: expected certificates in PEM, got {folder}/bad.pem"),
    (missing_key, "files", "broker.key_file: expected a readable file, got {folder}/none.key: No such file"),
    (other_key, "files", "broker.cert_file: expected a certificate in PEM that fits {folder}/edge-8.key"),
    (bad_key, "files", "broker.key_file: expected a private key in PEM, got {folder}/edge-1.pem"),
    (bad_certificate, "files", "broker.cert_file: expected a certificate in PEM that fits {folder}/edge-1.key"),
    (locked_key, "files", "broker.key_password_file: expected what fits {folder}/edge-7.key"),
    (wrong_key_password, "files", "broker.key_file: expected a private key in PEM, got {folder}/edge-7.key"),
]


# The two versions refuse a client's certificate at different moments. What is wrong with a file shows before.
CASES = [(*case, "TLSv1.3") for case in WRONG] + [(*case, "TLSv1.2") for case in WRONG if case[1] == "tls"]


@pytest.mark.parametrize("case", CASES, ids=[f"{case[0].__name__}-{case[3]}" for case in CASES])
def test_wrong_files(
    secure: SecureBroker, tmp_path: Path, case: tuple[Any, str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each error names the key, the file and what to do; the link goes on trying."""
    make, label, text, version = case
    limit_version(version, tmp_path, monkeypatch)
    secure.start("require_certificate true").close()
    with linked(secure.port, **make(secure, tmp_path)) as ends:
        error = ends.wait_for_error()
        assert error.startswith(text.format(folder=tmp_path))
        assert "; " in error
        assert set(ends.link.state.ends) == {label}


@pytest.mark.parametrize(
    ("server", "text"),
    [
        ({"name": "broker.example"}, "broker.host (127.0.0.1): expected a certificate for this name"),
        ({"name": "old", "from_days": -9, "to_days": -2}, "broker: expected a certificate that is valid now"),
        ({"name": "new", "from_days": 2, "to_days": 9}, "broker: expected a certificate that is valid now"),
    ],
    ids=["other name", "expired", "not valid yet"],
)
def test_wrong_server_certificate(secure: SecureBroker, server: dict[str, Any], text: str) -> None:
    """A broker that shows a certificate for another name or time is not spoken to."""
    addresses = () if server["name"] == "broker.example" else ("127.0.0.1",)
    secure.start(server=secure.authority.sign(**server, addresses=addresses)).close()
    with linked(secure.port, **keys_of(secure)) as ends:
        assert ends.wait_for_error().startswith(text)


def test_server_name_is_not_checked_where_told(secure: SecureBroker) -> None:
    """With ``check_server_name = false`` the authority alone counts."""
    secure.start(server=secure.authority.sign("broker.example")).close()
    with linked(secure.port, **keys_of(secure), check_server_name=False) as ends:
        assert ends.wait_for_up().tls


def test_key_with_a_password(secure: SecureBroker, tmp_path: Path) -> None:
    """A key may have a password; it comes from a file, and never from a terminal. It may lie beside its certificate."""
    secure.start("require_certificate true").close()
    pair = secure.authority.sign("edge-2", password=SECRET)
    (tmp_path / "password").write_text(f"{SECRET}\n")
    both = tmp_path / "both.pem"
    both.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    keys = {"tls": True, "ca_file": str(secure.authority.file), "cert_file": str(both)}
    with linked(secure.port, **keys, key_password_file=str(tmp_path / "password")) as ends:
        assert ends.wait_for_up().tls


def test_plain_port(broker: Broker) -> None:
    """A port that does not speak TLS is named."""
    with linked(broker.port, tls=True) as ends:
        assert ends.wait_for_error().startswith(f"broker.port ({broker.port}): expected TLS, got ")


def test_tls_port_spoken_to_plainly(secure: SecureBroker) -> None:
    """A port that speaks only TLS is pointed to."""
    secure.start().close()
    with linked(secure.port) as ends:
        assert "check broker.port and broker.tls" in ends.wait_for_error()
