"""``edge-agent bundle``: the slots, for people and scripts, while the agent runs or not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge_agent import slots_state
from edge_agent.bundle_files import read_bundle_file
from edge_agent.config import load_config
from edge_agent.errors import BundleError
from edge_agent.exit_code import ExitCode
from edge_agent.output import say, say_json
from edge_agent.signers import accepted_keys
from edge_agent.slots import SlotStore, slot_of
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import NO_SLOT, SlotsState
from edge_agent.startup import slots_of_config
from edge_agent.trust_event import refused

_NONE = "none"


def install(config_path: Path, source: Path, *, as_json: bool) -> ExitCode:
    """Verify a bundle, prove it here and keep it.

    Raises:
        ConfigError: The config or a key file is wrong, or this user may not write.
        BundleError: The bundle is refused.
    """
    with _refusals_noted(config_path, lambda: _digest_of(source)):
        slot = _store(config_path).install(source)
    if as_json:
        say_json({"installed": True, **asdict(slot)})
    else:
        say(f"{slot.bundle_id} installed; to run it: edge-agent bundle activate {slot.digest[:16]}")
    return ExitCode.OK


def activate(config_path: Path, digest: str, *, as_json: bool) -> ExitCode:
    """Put an installed bundle on trial.

    Raises:
        ConfigError: As ``install``.
        BundleError: The bundle is refused.
    """
    config = load_config(config_path)
    store = slots_of_config(config, accepted_keys(config))
    with _refusals_noted(config_path, lambda: store.find(digest)):
        state = store.activate(digest, boots=config.bundle.trial_boots)
    return _tell(state, as_json=as_json)


def roll_back(config_path: Path, *, as_json: bool) -> ExitCode:
    """Return to the previous bundle.

    Raises:
        ConfigError: As ``install``.
        BundleError: There is none.
    """
    with _refusals_noted(config_path, lambda: ""):
        state = _ledger(config_path).change(slots_state.roll_back)
    return _tell(state, as_json=as_json)


def status(config_path: Path, *, as_json: bool) -> ExitCode:
    """Tell the state of the slots.

    Raises:
        ConfigError: As ``install``.
        BundleError: The state cannot be read.
    """
    return _tell(_ledger(config_path).state(), as_json=as_json)


def list_slots(config_path: Path, *, as_json: bool) -> ExitCode:
    """Tell what is installed, each verified anew; one that is refused is told with its reason.

    Raises:
        ConfigError: As ``install``.
        BundleError: The state cannot be read.
    """
    store = _store(config_path)
    state = _ledger(config_path).state()
    rows = [_row(store, state, digest) for digest in store.digests()]
    if as_json:
        say_json({"slots": rows})
    for row in [] if as_json else rows:
        say(f"{row['digest'][:16]}  {row['bundle_id'] or '?':24} {row['role']:9} {row['refused'] or 'verified'}")
    return ExitCode.OK


@contextmanager
def _refusals_noted(config_path: Path, digest: Callable[[], str]) -> Iterator[None]:
    """Notes in the audit log what is refused meanwhile; ``digest`` gives that of the bundle, where there is one."""
    try:
        yield
    except BundleError as error:
        known = ""
        with suppress(BundleError):
            known = digest()
        _ledger(config_path).audit.note(refused(error, known))
        raise


def _digest_of(source: Path) -> str:
    """Digest of a bundle file, whatever it holds; a folder of members has none."""
    return "" if source.is_dir() else hashlib.sha256(read_bundle_file(source)).hexdigest()


def _ledger(config_path: Path) -> SlotLedger:
    return SlotLedger(load_config(config_path).agent.state_dir)


def _store(config_path: Path) -> SlotStore:
    config = load_config(config_path)
    return slots_of_config(config, accepted_keys(config))


def _row(store: SlotStore, state: SlotsState, digest: str) -> dict[str, Any]:
    roles = {state.active.digest: "active", state.previous.digest: "previous"}
    row = {**asdict(NO_SLOT), "digest": digest, "role": roles.get(digest, "installed"), "refused": ""}
    try:
        slot = slot_of(store.open(digest))
    except BundleError as error:
        return {**row, "refused": error.reason}
    return {**row, **asdict(slot)}


def _tell(state: SlotsState, *, as_json: bool) -> ExitCode:
    if as_json:
        say_json(state.document())
        return ExitCode.OK
    say(f"stage      {state.stage}{f', for {state.reason}' if state.reason else ''}")
    for name, slot in (("active", state.active), ("previous", state.previous)):
        rank = f"epoch {slot.epoch}, sequence {slot.sequence}"
        text = _NONE if slot == NO_SLOT else f"{slot.bundle_id}, {rank}, {slot.digest[:16]}"
        say(f"{name:10} {text}")
    say(f"boots left {state.boots_left if state.is_unproven else _NONE}")
    say(f"mark       {f'epoch {state.mark_epoch}, sequence {state.mark}' if state.mark >= 0 else _NONE}")
    say(f"epoch      {state.epoch}")
    for rejected in state.rejected:
        say(f"rejected   {rejected.digest[:16]}, for {rejected.reason}")
    return ExitCode.OK
