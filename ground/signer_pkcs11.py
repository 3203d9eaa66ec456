"""Signing by a token or HSM that speaks PKCS#11 (extra ``pkcs11``): the private key never leaves it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from ground.errors import SigningError
from ground.extras import installing

_SCHEME = "pkcs11:"
_RAW_SIZE = 64
"""Bytes of r and s, one after the other, of a P-256 signature (PKCS#11 v3.0, 2.3.1)."""
_OTHER_KIND = "--pkcs11: expected an ECDSA P-256 key, got another kind; name or make another key"
_EXAMPLE = "pkcs11:token=release;object=signer?module-path=/usr/lib/softhsm/libsofthsm2.so"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKey:
    """Where a key lies, as a PKCS#11 URI says (RFC 7512).

    Attributes:
        module_path: The token's library.
        token: Label of the token; empty where there is but one.
        object: Label of the key; empty for any.
        id: Id of the key; empty for any.
    """

    module_path: str
    token: str = ""
    object: str = ""
    id: bytes = b""

    @classmethod
    def parse(cls, uri: str) -> TokenKey:
        """Read a URI of the attributes token, object, id and module-path.

        Raises:
            SigningError: Another form, another attribute, or no module or key is named.
        """
        path, _, query = uri.removeprefix(_SCHEME).partition("?")
        pairs = [part.partition("=") for part in [*path.split(";"), *query.split("&")] if part]
        values = {name.replace("-", "_"): text for name, _, text in pairs}
        known = {field.name for field in fields(cls)}
        is_complete = "module_path" in values and {"object", "id"} & set(values)
        if not uri.startswith(_SCHEME) or set(values) - known or len(values) != len(pairs) or not is_complete:
            # Names alone: among the values may be a PIN.
            named = ", ".join(name for name, _, _ in pairs) or "nothing"
            raise SigningError(
                f"--pkcs11: expected {_SCHEME} and module-path, object or id, token, and nothing else, got {named}; "
                f"write for example '{_EXAMPLE}'"
            )
        texts = {name: unquote(text) for name, text in values.items() if name != "id"}
        return cls(**texts, id=unquote_to_bytes(values.get("id", "")))


class TokenSigner:
    """A key on a token.

    Tokens choose nonces at random: signing again gives other bytes, which verify as well.

    Args:
        place: Where the key lies.
        ask_pin: Gives the PIN of what it is told.
    """

    def __init__(self, place: TokenKey, ask_pin: Callable[[str], bytes]) -> None:
        self._place = place
        self._pin = ask_pin(f"token {place.token}".strip()).decode(errors="replace")
        self._public_key = self._read_public_key()

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """See ``Signer``."""
        return self._public_key

    def sign_message(self, message: bytes) -> bytes:
        """See ``Signer``."""
        from pkcs11 import Mechanism, ObjectClass

        with self._session() as session:
            key = session.get_key(object_class=ObjectClass.PRIVATE_KEY, **self._search())
            raw = key.sign(hashlib.sha256(message).digest(), mechanism=Mechanism.ECDSA)
        if len(raw) != _RAW_SIZE:
            raise SigningError(
                f"{self._place.module_path}: expected {_RAW_SIZE} bytes of a P-256 signature, got {len(raw)}; take "
                "another module"
            )
        half = _RAW_SIZE // 2
        return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))

    def _read_public_key(self) -> ec.EllipticCurvePublicKey:
        from pkcs11 import KeyType, ObjectClass
        from pkcs11.util.ec import encode_ec_public_key

        with self._session() as session:
            found = session.get_key(object_class=ObjectClass.PUBLIC_KEY, **self._search())
            # Of other kinds of keys there is no point to read.
            der = encode_ec_public_key(found) if found.key_type == KeyType.EC else b""
        return _p256_of(der)

    def _search(self) -> dict[str, Any]:
        return {name: value for name, value in (("label", self._place.object), ("id", self._place.id)) if value}

    @contextmanager
    def _session(self) -> Iterator[Any]:
        """A session with the token, logged in.

        Raises:
            SigningError: There is no such library, token or key, or the PIN is wrong.
        """
        library = _library()
        try:
            module = library.lib(self._place.module_path)
            token = module.get_token(**({"token_label": self._place.token} if self._place.token else {}))
            with token.open(user_pin=self._pin) as session:
                yield session
        except library.PKCS11Error as error:
            told = " ".join(filter(None, (type(error).__name__, str(error))))
            key, token = self._place.object or self._place.id.hex(), self._place.token or "any"
            raise SigningError(
                f"{self._place.module_path}: expected to use key {key} of token {token}, got {told}; check "
                "module, token, key and PIN with `pkcs11-tool --list-objects`"
            ) from error


def _library() -> Any:
    try:
        import pkcs11
    except ImportError as error:
        raise SigningError(
            f"--pkcs11: expected python-pkcs11, got nothing; {installing('pkcs11')}; or use --signer-command"
        ) from error
    return pkcs11


def _p256_of(der: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningError(_OTHER_KIND) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SigningError(_OTHER_KIND)
    return key
