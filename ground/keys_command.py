"""The commands ``ground keys`` and ``ground sign``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ground.commands.options import JsonOption
from ground.errors import SigningError
from ground.password import NO_FILE, PasswordSource
from ground.terminal import say_json

if TYPE_CHECKING:
    from ground.signer import SigningKey

keys_app = typer.Typer(no_args_is_help=True, help="Signing keys: ECDSA on P-256, encrypted with a password.")
console = Console(stderr=True)

PasswordFileOption = Annotated[
    Path,
    typer.Option(
        "--password-file",
        help="File with the password of the key or the PIN of the token; without it $GROUND_KEY_PASSWORD, or a prompt.",
        show_default=False,
    ),
]
OutOption = Annotated[Path, typer.Option("--out", help="Folder for private.pem and public.pem.")]
UnencryptedOption = Annotated[
    bool, typer.Option("--unencrypted", help="No password: whoever reads private.pem can sign. For tests and demos.")
]


@keys_app.command("new")
def keys_new(
    out: OutOption,
    password_file: PasswordFileOption = NO_FILE,
    *,
    unencrypted: UnencryptedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a signing key pair."""
    from ground.keys import new_key_pair, refuse_existing

    refuse_existing(out)
    pair = new_key_pair(out, password=_new_password(out, password_file, unencrypted=unencrypted))
    if as_json:
        say_json(asdict(pair))
    else:
        _say(f"key {pair.hint}: sign with {pair.private}; give agents {pair.public}")


@keys_app.command("show")
def keys_show(
    folder: Annotated[Path, typer.Argument(help="Folder of a key pair, or a public key in PEM.")] = Path("keys"),
    agent: Annotated[
        list[Path] | None, typer.Option("--agent", help="agent.toml(s) to look up the key in.", show_default=False)
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show the name of a key, its kind, what it follows, and where its public half is pinned or revoked."""
    from ground.key_report import describe_key

    described = list(describe_key(folder, agent or ()))
    if as_json:
        agents = [text for name, text in described if name == "agent"]
        say_json({**{name: text for name, text in described if name != "agent"}, "agents": agents})
        return
    for name, text in described:
        typer.echo(f"{name:12} {text}")


@keys_app.command("rotate")
def keys_rotate(
    folder: Annotated[Path, typer.Argument(help="Folder of the key pair to be followed, or its public key.")],
    out: OutOption,
    password_file: PasswordFileOption = NO_FILE,
    *,
    unencrypted: UnencryptedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make the key pair that follows another one, and say what has to be done until it has."""
    from ground.key_report import public_key_of, steps_of_change
    from ground.keys import refuse_existing, rotate_key_pair

    refuse_existing(out)
    followed = public_key_of(folder)
    pair = rotate_key_pair(followed, out, password=_new_password(out, password_file, unencrypted=unencrypted))
    steps = steps_of_change(followed, pair)
    if as_json:
        say_json({**asdict(pair), "follows": followed, "steps": steps})
        return
    for line in steps:
        typer.echo(line)


def sign(
    folder: Annotated[Path, typer.Argument(help="Folder of the unpacked members of a bundle.")],
    *,
    key: Annotated[Path | None, typer.Option("--key", help="Private signing key.", show_default=False)] = None,
    password_file: PasswordFileOption = NO_FILE,
    signer_command: Annotated[
        str,
        typer.Option("--signer-command", help="Reads the message from its input, writes a signature in DER."),
    ] = "",
    public_key: Annotated[
        Path | None,
        typer.Option("--public-key", help="Public half of the key that the command signs with.", show_default=False),
    ] = None,
    pkcs11: Annotated[
        str, typer.Option("--pkcs11", help="Key on a token: pkcs11:token=T;object=K?module-path=LIBRARY.")
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option("--output", help="The .bundle to write; default: signature and bundle go into the folder."),
    ] = None,
    signer_digest: Annotated[
        bool, typer.Option("--signer-digest", help="Give the command the SHA-256 digest of the message, 32 bytes.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Sign the unpacked members of a bundle and pack them: with a key, a command, or a token."""
    from ground.release_folder import sign_release

    if sum((key is not None, bool(signer_command), bool(pkcs11))) != 1:
        raise SigningError("sign: expected one of --key, --signer-command and --pkcs11, got none or several; give one")
    if key is not None:
        signer = _file_key(key, password_file)
    elif pkcs11:
        signer = _token_key(pkcs11, password_file)
    else:
        signer = _command_key(signer_command, public_key, takes_digest=signer_digest)
    signed = sign_release(folder, signer, output=output)
    if as_json:
        say_json({"bundle": signed})
    else:
        _say(f"signed: {signed}")


def _file_key(path: Path, password_file: Path) -> SigningKey:
    from ground.keys import load_private_key

    return load_private_key(path, PasswordSource(password_file).ask)


def _command_key(command: str, public_key: Path | None, *, takes_digest: bool) -> SigningKey:
    from edge_agent.trust import load_public_key
    from ground.signer_command import CommandSigner

    if public_key is None:
        raise SigningError("--public-key: expected the public half of the key that the command signs with; give it")
    return CommandSigner(command=command, key=load_public_key(public_key), takes_digest=takes_digest)


def _token_key(uri: str, password_file: Path) -> SigningKey:
    from ground.signer_pkcs11 import TokenKey, TokenSigner

    return TokenSigner(TokenKey.parse(uri), PasswordSource(password_file).ask)


def _new_password(folder: Path, password_file: Path, *, unencrypted: bool) -> bytes:
    from ground.key_file import UNENCRYPTED

    if not unencrypted:
        return PasswordSource(password_file).choose(f"the new key in {folder}")
    if password_file != NO_FILE:
        raise SigningError("--unencrypted: expected no --password-file beside it, got one; give one of the two")
    _say(f"{folder}: the private key is NOT encrypted; whoever reads it can sign")
    return UNENCRYPTED


def _say(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
