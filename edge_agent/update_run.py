"""One update: walk the repository, raise the floors, learn its keys, take the bundle that is offered.

Each step is on disk before the next one counts on it; what is refused leaves what runs as it was.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_agent.bundle_files import BUNDLE_SUFFIX
from edge_agent.errors import BundleError, ConfigError, SlotRefused, UpdateError
from edge_agent.offer import ACTIVE, SHADOW
from edge_agent.prove_child import MODEL_LIMITS
from edge_agent.shadow_place import ShadowPlace
from edge_agent.signers import accepted_of
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import raise_epoch
from edge_agent.startup import slots_of_config
from edge_agent.trust_event import (
    DOWNLOADED,
    HALTED,
    INSTALLED,
    KEYS_CHANGED,
    OFFERED,
    TrustEvent,
)
from edge_agent.update_choice import Choice, Offered, Place, choose
from edge_agent.update_disk import read_update_state, update_folder, write_update_state
from edge_agent.update_repository import KeyList, Repository
from edge_agent.update_slots import is_newer
from edge_agent.update_state import see_keys, see_roles, see_root, time_floor_s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge_agent.config import AgentConfig
    from edge_agent.slots import SlotStore
    from edge_agent.slots_state import Slot, SlotsState
    from edge_agent.update_report import Notes
    from edge_agent.update_state import SignerKey, UpdateState

MADE_S: Final = 1_767_225_600
"""2026-01-01: no agent of this kind is older, whatever its clock says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a walk through the repository came to.

    Attributes:
        expires: When its metadata ends.
        active: Which bundle is to decide.
        shadow: Which one is to watch.
    """

    expires: datetime
    active: Choice
    shadow: Choice


@dataclass(frozen=True, slots=True)
class Refusal:
    """A bundle that was not taken, and why."""

    offered: Offered
    error: UpdateError | BundleError


class Update:
    """One update of an agent. With ``dry``, nothing is kept: it only tells what would be done.

    Args:
        config: The agent's.
        location: The repository.
        notes: Where decisions go.
        now_s: The wall clock, Unix time.
        dry: Whether only to look.

    Raises:
        ConfigError: The pinned root cannot be read, or this agent has no slots.
    """

    def __init__(self, config: AgentConfig, location: str, notes: Notes, *, now_s: float, dry: bool) -> None:
        self._config = config
        self._location = location
        self._notes = notes
        self._now_s = now_s
        self._dry = dry
        self._root = _pinned_root(config)
        self._state_dir = config.agent.state_dir
        self._ledger = SlotLedger(self._state_dir)
        self._state = read_update_state(self._state_dir)

    def run(self) -> Found:
        """Update.

        Raises:
            UpdateError: The repository is refused.
            BundleError: The bundle is refused.
            ConfigError: This user may not write.
        """
        try:
            with tempfile.TemporaryDirectory(prefix="edge-agent-update-") as work:
                return self._run(Path(work))
        except OSError as error:
            raise UpdateError(
                "disk_error", f"update: expected room for temporary files, got {error}; make room, or set TMPDIR"
            ) from error

    def _run(self, work: Path) -> Found:
        deadline_s = time.monotonic() + self._config.update.deadline_s
        repository = Repository(self._location, self._root, work, deadline_s)
        offers, keys = self._walk(repository)
        self._learn_keys(repository, keys)
        found = self._choose(offers, self._raise_epoch(repository.epoch), repository.expires)
        if not self._dry:
            self._take(repository, found)
        return found

    @property
    def _role(self) -> str:
        return f"bundles-{self._config.agent.fleet}"

    def _walk(self, repository: Repository) -> tuple[tuple[Offered, ...], KeyList]:
        chain = repository.walk_root()
        self._keep(see_root(self._state, anchor=hashlib.sha256(self._root).hexdigest(), chain=chain))
        floor_s = max(MADE_S, time_floor_s(self._state, repository.role_keys()))
        clock = datetime.fromtimestamp(max(self._now_s, floor_s), UTC)
        repository.refresh(clock, self._role, f"bundles/{self._config.agent.fleet}/any")
        # Read before it counts as seen: a role that says what it must not say is no newer version of anything.
        offers, keys = repository.offers(self._role), repository.keys()
        self._keep(see_roles(self._state, repository.roles(self._role)))
        return offers, keys

    def _learn_keys(self, repository: Repository, listed: KeyList) -> None:
        known = {key.hint: key for key in (*self._state.retired, *self._state.accepted)}
        # What is taken away counts at once: whoever holds a key's file back must not hold back a revocation with it.
        self._accept(tuple(known[hint] for hint in listed.accepted if hint in known), listed.revoked)
        self._accept(tuple(known.get(hint) or repository.key(hint) for hint in listed.accepted), listed.revoked)

    def _accept(self, keys: tuple[SignerKey, ...], revoked: tuple[str, ...]) -> None:
        before = self._state
        self._keep(see_keys(before, keys, revoked))
        after = self._state
        if (after.accepted, after.revoked) != (before.accepted, before.revoked):
            names = ", ".join(_short(key.hint) for key in after.accepted) or "none"
            detail = f"keys of the repository: {names}; revoked: {', '.join(map(_short, after.revoked)) or 'none'}"
            self._note(TrustEvent(kind=KEYS_CHANGED, detail=detail))

    def _raise_epoch(self, epoch: int) -> SlotsState:
        """The slots in the epoch that the root states."""
        before = self._ledger.state()
        after = raise_epoch(before, epoch)
        if not self._dry and after != before:
            after = self._ledger.change(lambda now: raise_epoch(now, epoch))
        return after

    def _choose(self, offers: tuple[Offered, ...], slots: SlotsState, expires: datetime) -> Found:
        agent = self._config.agent
        place = Place(agent=agent.id, fleet=agent.fleet, wave=self._config.update.wave)
        shadow = ShadowPlace(self._config, self._state)
        active = choose(
            offers,
            place,
            role=ACTIVE,
            is_newer=lambda each: each.digest != self._state.taken and is_newer(slots, each),
        )
        return Found(
            expires=expires,
            active=active,
            shadow=choose(offers, place, role=SHADOW, is_newer=shadow.is_newer),
        )

    def _take(self, repository: Repository, found: Found) -> None:
        for offered in (*found.active.halted, *found.shadow.halted):
            self._note(_event(HALTED, offered, "its rollout was stopped: it is not taken"))
        self._prune({each.digest for each in (*found.active.reached, *found.shadow.reached)})
        refusals = [
            *self._take_first(repository, found.active, self._take_active),
            *self._take_first(repository, found.shadow, self._take_shadow),
        ]
        self._prune({refusal.offered.digest for refusal in refusals})
        for refusal in refusals[1:]:
            self._speak_of(refusal.offered)
            self._notes.note_failure(refusal.error)
        for refusal in refusals[:1]:
            self._speak_of(refusal.offered)
            raise refusal.error

    def _take_first(
        self, repository: Repository, choice: Choice, take: Callable[[Offered, Path], None]
    ) -> Iterator[Refusal]:
        """Take the newest that is not refused for itself: it must not keep an older one out that is for all."""
        for offered in choice.reached:
            try:
                take(offered, self._fetch(repository, offered))
            except UpdateError as error:
                yield Refusal(offered, error)
                return
            except BundleError as error:
                yield Refusal(offered, error)
                if isinstance(error, SlotRefused) and error.reason != MODEL_LIMITS:
                    # The machine's fault, or that of the slots: it meets the next one, too.
                    return
            else:
                return

    def _speak_of(self, offered: Offered) -> None:
        self._notes.digest, self._notes.bundle_id = offered.digest, offered.offer.bundle_id

    def _fetch(self, repository: Repository, offered: Offered) -> Path:
        """The bytes of a bundle; those that an earlier run left are not fetched again."""
        self._speak_of(offered)
        self._note(_event(OFFERED, offered, f"sequence {offered.offer.sequence}, {offered.length} bytes"))
        path = self._download_path(offered.digest)
        if repository.bundle(offered, path):
            self._note(_event(DOWNLOADED, offered, f"{offered.length} bytes"))
        return path

    def _take_active(self, offered: Offered, path: Path) -> None:
        store = self._store()
        slot = store.install(path)
        _check_same(slot, offered)
        store.activate(slot.digest, boots=self._config.bundle.trial_boots)
        self._keep(replace(self._state, taken=slot.digest))

    def _take_shadow(self, offered: Offered, path: Path) -> None:
        ShadowPlace(self._config, self._state).install(path)
        self._note(_event(INSTALLED, offered, "as the shadow, from the agent's next start on"))

    def _store(self) -> SlotStore:
        bundle = self._config.bundle
        return slots_of_config(self._config, accepted_of(bundle.keys, self._state, bundle.revoked_keys))

    def _keep(self, after: UpdateState) -> None:
        """Make what was seen durable before anything rests on it."""
        if self._dry:
            self._state = after
            return
        try:
            self._state = write_update_state(self._state_dir, self._state, after)
        except OSError as error:
            raise disk_refuses(self._state_dir, error) from error

    def _note(self, event: TrustEvent) -> None:
        if not self._dry:
            self._notes.note(event)

    def _download_path(self, digest: str) -> Path:
        return update_folder(self._state_dir) / f"{digest}{BUNDLE_SUFFIX}"

    def _prune(self, kept: set[str]) -> None:
        """Remove downloads that nobody waits for any more; what cannot be removed costs room, no more."""
        for path in update_folder(self._state_dir).glob(f"*{BUNDLE_SUFFIX}"):
            if path.name.removesuffix(BUNDLE_SUFFIX) not in kept:
                with suppress(OSError):
                    path.unlink()


def disk_refuses(state_dir: Path, error: OSError) -> UpdateError:
    """What to say where the updater's own folder cannot be written."""
    return UpdateError(
        "disk_error",
        f"{update_folder(state_dir)}: expected a disk that takes it, got {error.strerror}; make room or mend it, then "
        "try again",
    )


def _pinned_root(config: AgentConfig) -> bytes:
    if not config.bundle.slots:
        raise ConfigError("bundle.slots: expected true, got false; updates are installed in slots")
    try:
        return config.update.root.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"update.root: expected a readable root.json, got {config.update.root}: {error.strerror}; install the one "
            "that `ground repo init` wrote"
        ) from error


def _check_same(slot: Slot, offered: Offered) -> None:
    if slot.digest != offered.digest or slot.bundle_id != offered.offer.bundle_id:
        raise UpdateError(
            "other_bundle",
            f"{offered.path}: expected {offered.offer.bundle_id}, got {slot.bundle_id}; publish it again",
        )


def _event(kind: str, offered: Offered, detail: str) -> TrustEvent:
    return TrustEvent(kind=kind, digest=offered.digest, bundle_id=offered.offer.bundle_id, detail=detail)


def _short(hint: str) -> str:
    return hint[:16]
