"""The slots: installed bundles in ``bundles`` of the state folder, one of them active.

A bundle lies there as ``<digest>.bundle``, the very bytes that were verified. docs/reference/slots.md tells the rest.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from edge_agent.archive import read_archive, write_archive
from edge_agent.bundle import Bundle, open_bundle, open_members
from edge_agent.bundle_files import BUNDLE_SUFFIX, read_bundle_file, read_folder
from edge_agent.errors import SlotRefused
from edge_agent.policy import CLOCK_UNKNOWN, Policy
from edge_agent.prove_child import WALL_S, prove_in_child
from edge_agent.slots_disk import TEMPORARY, write_durably
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import EMPTY, Slot, SlotsState, activate, check_offer
from edge_agent.trust import TrustedKeys
from edge_agent.trust_event import INSTALLED, TrustEvent

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PREFIX = re.compile(r"[0-9a-f]{8,64}")


class SlotStore:
    """The slots of one agent.

    Args:
        ledger: Their state.
        keys: The pinned public keys.
        policy: What the agent accepts.
    """

    def __init__(self, ledger: SlotLedger, *, keys: TrustedKeys, policy: Policy) -> None:
        self._ledger = ledger
        self._folder = ledger.folder
        self._keys = keys
        self._policy = policy

    def digests(self) -> tuple[str, ...]:
        """Digests of all slots, in order.

        Raises:
            ConfigError: The folder may not be read.
        """
        with self._ledger.disk_told():
            names = [path.name.removesuffix(BUNDLE_SUFFIX) for path in self._files(BUNDLE_SUFFIX)]
        return tuple(sorted(name for name in names if _DIGEST.fullmatch(name)))

    def install(self, source: Path) -> Slot:
        """Verify a bundle, prove it in a limited child, keep the bytes that were verified; what is active stays active.

        Slots that are neither active, nor previous, nor this one are removed.

        Args:
            source: A ``.bundle`` file, or a folder of its unpacked members.

        Raises:
            BundleError: Refused; ``reason`` names the check.
            ConfigError: This user may not write there.
        """
        members = read_folder(source) if source.is_dir() else read_archive(read_bundle_file(source))
        bundle = open_members(members, keys=self._keys, policy=self._policy)
        slot = slot_of(bundle)
        _check_place(self._ledger.state(), slot)
        prove_in_child(members)
        with self._ledger.held() as state:
            _check_place(state, slot)
            kept = {state.active.digest, state.previous.digest}
            write_durably(self._path(slot.digest), write_archive(members), take_back=slot.digest not in kept)
            self._prune({slot.digest, *kept})
        self._ledger.audit.note(
            TrustEvent(
                kind=INSTALLED,
                digest=slot.digest,
                bundle_id=slot.bundle_id,
                detail=f"sequence {slot.sequence}: verified, and proven in a child",
            )
        )
        return slot

    def activate(self, digest: str, *, boots: int) -> SlotsState:
        """Put a slot on trial: an agent that runs takes it within a second, another one at its start.

        Args:
            digest: Its digest, or the first eight digits of it or more.
            boots: Starts that it gets to pass its probation in.

        Raises:
            BundleError: Refused; ``reason`` names the check.
            ConfigError: This user may not write there.
        """

        def event(state: SlotsState) -> SlotsState:
            # Under the lock: nobody removes the slot between this look and the state that names it.
            return activate(state, slot_of(self.open(self.find(digest))), boots=boots)

        return self._ledger.change(event)

    def open(self, digest: str) -> Bundle:
        """Verify the bundle in a slot, all of it anew.

        Raises:
            SlotRefused: ``slot_damaged``: it is not what was put there.
            BundleError: Refused; ``reason`` names the check.
        """
        return self._checked(
            open_bundle(read_bundle_file(self._path(digest)), keys=self._keys, policy=self._policy), digest
        )

    def _checked(self, bundle: Bundle, digest: str) -> Bundle:
        if bundle.digest != digest:
            raise SlotRefused(
                "slot_damaged", f"{self._path(digest)}: expected its digest, got {bundle.digest}; install it again"
            )
        return bundle

    def open_proven(self, digest: str, *, wall_s: float = WALL_S) -> Bundle:
        """Verify the bundle in a slot and prove it in a limited child, those very bytes.

        Raises:
            SlotRefused: As ``open``, and as ``prove_in_child``.
            BundleError: Refused; ``reason`` names the check.
        """
        members = read_archive(read_bundle_file(self._path(digest)))
        bundle = self._checked(open_members(members, keys=self._keys, policy=self._policy), digest)
        prove_in_child(members, wall_s=wall_s)
        return bundle

    def open_for_start(self, state: SlotsState, digest: str) -> Bundle:
        """Verify the active or the previous bundle, as ``open``; its age counts only while it is not proven here.

        An engine without a watch is worse than one watched by a bundle that should have been replaced: what has proven
        itself runs on, and the status says that it has expired.

        Raises:
            BundleError: As ``open``.
        """
        return self._as_at_start(state, digest).open(digest)

    def open_beside(self, state: SlotsState, digest: str) -> Bundle:
        """Verify as ``open_for_start``, and prove in a limited child: another bundle decides in this process meanwhile.

        Raises:
            BundleError: As ``open_proven``.
        """
        return self._as_at_start(state, digest).open_proven(digest)

    def _as_at_start(self, state: SlotsState, digest: str) -> SlotStore:
        if state.is_unproven and digest == state.active.digest:
            return self
        return SlotStore(self._ledger, keys=self._keys, policy=replace(self._policy, today=CLOCK_UNKNOWN))

    def open_active(self) -> Bundle:
        """Verify the active bundle, as ``open_for_start``.

        Raises:
            SlotRefused: ``no_active_slot``, and as ``open``.
            BundleError: Refused; ``reason`` names the check.
        """
        state = self._ledger.state()
        return self.open_for_start(state, active_of(state).digest)

    def find(self, digest: str) -> str:
        """The one slot whose digest begins so.

        Raises:
            SlotRefused: ``no_such_slot``.
        """
        found = [each for each in self.digests() if _PREFIX.fullmatch(digest) and each.startswith(digest)]
        if len(found) != 1:
            raise SlotRefused(
                "no_such_slot",
                f"bundles: expected 8 to 64 digits that begin one digest, got {digest[:64]!r}, which begins "
                f"{len(found)}; see `edge-agent bundle list`",
            )
        return found[0]

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}{BUNDLE_SUFFIX}"

    def _files(self, suffix: str) -> list[Path]:
        try:
            return [path for path in self._folder.iterdir() if path.name.endswith(suffix)]
        except FileNotFoundError:
            return []

    def _prune(self, kept: set[str]) -> None:
        """Remove what nothing refers to; what cannot be removed costs room, no more."""
        unused = [path for path in self._files(BUNDLE_SUFFIX) if path.name.removesuffix(BUNDLE_SUFFIX) not in kept]
        for path in [*unused, *self._files(TEMPORARY)]:
            with suppress(OSError):
                path.unlink()


def slot_of(bundle: Bundle) -> Slot:
    """The slot of a verified bundle."""
    return Slot(bundle.digest, bundle.manifest.bundle_id, bundle.manifest.sequence, bundle.manifest.epoch)


def active_of(state: SlotsState) -> Slot:
    """The active slot.

    Raises:
        SlotRefused: ``no_active_slot``.
    """
    if state.stage == EMPTY:
        raise SlotRefused("no_active_slot", "bundles: expected an active bundle, got none; install and activate one")
    return state.active


def _check_place(state: SlotsState, slot: Slot) -> None:
    """What runs, or ran before, may be installed again: it mends a slot that is damaged."""
    if slot not in (state.active, state.previous):
        check_offer(state, slot)
