"""What is to be known of a signing key, and what has to be done when another one follows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from edge_agent.config import load_config
from edge_agent.errors import ConfigError
from edge_agent.trust import TrustedKeys, key_hint, load_public_key
from ground.errors import SigningError
from ground.key_file import is_encrypted
from ground.keys import PREDECESSOR_KEY, PRIVATE_KEY, PUBLIC_KEY, KeyPair, load_private_key

_STEPS = """\
new key  {new} ({public})
follows  {old} ({followed})
1. Give each agent the new public key BESIDE the old one, in bundle.keys (and shadow.keys where it is set); run
   `edge-agent config check`, then restart it.
2. Once all agents have it, sign the next release, of a higher sequence, with the new key. What the old one signed stays
   valid; signing it again makes another bundle of the same sequence, which agents refuse as old.
3. Once no agent has a bundle of the old key as active or previous one (`edge-agent bundle list`), take the old key out
   of bundle.keys, restart, and destroy its private half.
Was the old key stolen? Do not wait for step 3: add its name to bundle.revoked_keys. An agent whose active and previous
bundles are both of that key does not start until one of the new key is installed and activated."""


def public_key_of(place: Path) -> Path:
    """The public key of a folder of a pair, or the file itself."""
    return place / PUBLIC_KEY if place.is_dir() else place


def describe_key(place: Path, agents: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """What is known of a key, as names and texts; no password is needed.

    Args:
        place: Folder of a key pair, or a public key in PEM.
        agents: Configs of agents, in which its public half may be pinned.

    Raises:
        ConfigError: There is no P-256 public key, or a config is wrong.
        SigningError: The private key in the folder is another one's.
    """
    public = public_key_of(place)
    hint = key_hint(load_public_key(public))
    yield "key", hint
    yield "kind", "ECDSA P-256, SHA-256"
    yield "public", str(public)
    if place.is_dir():
        yield "private", _private(place / PRIVATE_KEY, hint)
        yield "follows", _predecessor(place / PREDECESSOR_KEY)
    for agent in agents:
        yield "agent", f"{agent}: {_standing(agent, hint)}"


def steps_of_change(followed: Path, pair: KeyPair) -> tuple[str, ...]:
    """What has to be done until a key has taken the place of another one."""
    before = key_hint(load_public_key(followed))
    return tuple(_STEPS.format(new=pair.hint, public=pair.public, old=before, followed=followed).splitlines())


def _private(path: Path, hint: str) -> str:
    if not path.exists():
        return "not here"
    if is_encrypted(path.read_bytes()):
        return f"{path}, encrypted"
    other = key_hint(load_private_key(path).public_key())
    if other != hint:
        raise SigningError(f"{path}: expected the private half of {hint[:16]}, got that of {other[:16]}; part them")
    return f"{path}, NOT encrypted"


def _predecessor(path: Path) -> str:
    return f"{key_hint(load_public_key(path))} ({path})" if path.exists() else "no other key"


def _standing(agent: Path, hint: str) -> str:
    bundle = load_config(agent).bundle
    if hint in bundle.revoked_keys:
        return "REVOKED in bundle.revoked_keys"
    for path in bundle.keys:
        try:
            pinned = TrustedKeys.from_files([path])
        except ConfigError:
            continue
        if hint in pinned.by_hint:
            return f"pinned in bundle.keys, {path}"
    unread = [str(path) for path in bundle.keys if not path.exists()]
    return f"not pinned; not here to be read: {', '.join(unread)}" if unread else "not pinned"
