"""The online keys, of snapshot and timestamp: they lie in one folder on the machine that publishes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from securesystemslib.signer import CryptoSigner

from ground.errors import SigningError
from ground.fleet.repo.key_files import PRIVATE_SUFFIX, PUBLIC_SUFFIX, SHORT_ID_N, load_public_key, load_signer
from ground.password import PasswordSource


@dataclass(frozen=True, slots=True)
class OnlineKeys:
    """Private keys found by what they are, not by what they are called: the old and the new one may lie side by side.

    Attributes:
        folder: Holds ``.pem`` files, each with its ``.pub``.
        passwords: Where that of all of them comes from.
        loaded: Private keys that were read already, by id.
    """

    folder: Path
    passwords: PasswordSource
    loaded: Mapping[str, CryptoSigner] = field(default_factory=dict)

    def load(self, keyids: Iterable[str]) -> OnlineKeys:
        """The same with those of some keys that are here read, so that no password is asked for later.

        Raises:
            SigningError: The password of one is wrong, or a public key is none.
        """
        wanted = set(keyids)
        found = [
            load_signer(public.with_suffix(PRIVATE_SUFFIX), self.passwords)
            for public in sorted(self.folder.glob(f"*{PUBLIC_SUFFIX}"))
            if load_public_key(public).keyid in wanted and public.with_suffix(PRIVATE_SUFFIX).exists()
        ]
        return replace(self, loaded={signer.public_key.keyid: signer for signer in found})

    def signer(self, role: str, keyids: Iterable[str]) -> CryptoSigner:
        """The private key of a role.

        Raises:
            SigningError: None of the folder's keys is one of ``keyids``, or its password is wrong.
        """
        wanted = set(keyids)
        known = sorted(wanted & self.loaded.keys())
        if known:
            return self.loaded[known[0]]
        for public in sorted(self.folder.glob(f"*{PUBLIC_SUFFIX}")):
            if load_public_key(public).keyid in wanted:
                signer = load_signer(public.with_suffix(PRIVATE_SUFFIX), self.passwords)
                if signer.public_key.keyid in wanted:
                    return signer
        ids = ", ".join(sorted(each[:SHORT_ID_N] for each in wanted))
        raise SigningError(
            f"{self.folder}: expected the online key of {role} ({ids}), got others or none; put its {PRIVATE_SUFFIX} "
            f"and {PUBLIC_SUFFIX} there, or `ground repo rotate-key {role}`"
        )
