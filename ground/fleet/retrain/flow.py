"""A retraining from its cause to the shadow's place: each step finds by itself whether it is done; a kill costs time.

    choose flights -> pipeline -> registered, validated, in the shadow's place

The offer to the fleet (``offer``) ends it: what becomes of a shadow is for a person to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_agent.layout import MANIFEST, METRICS
from edge_agent.manifest import RELEASE, Manifest
from edge_agent.strict_json import parse_json
from ground.config import load_config
from ground.errors import ConfigError, GateError
from ground.fleet.registry.states import State as Standing
from ground.fleet.retrain.cause import Cause
from ground.fleet.retrain.derived import next_version, released, write_config
from ground.fleet.retrain.ledger import CONFIG, SELECTION, Ledger, Run, State, json_bytes, utc_now
from ground.fleet.retrain.request import Chosen, Request, choose
from ground.pipeline import run_pipeline
from ground.release_folder import bundle_name, sign_release
from ground.workspace import Workspace, write_atomic

if TYPE_CHECKING:
    from ground.fleet.registry.history import RegisteredVersion
    from ground.fleet.registry.registry import Registry
    from ground.progress import Progress
    from ground.signer import SigningKey

BY: Final = "ground retrain"
_WAITING: Final = (Standing.VALIDATION, Standing.SHADOW)
_STEPS: Final = ((Standing.DEVELOPMENT, Standing.VALIDATION), (Standing.VALIDATION, Standing.SHADOW))
_SHORT: Final = 16


@dataclass(frozen=True, slots=True)
class Skipped:
    """A cause that was not followed.

    Attributes:
        why: What to tell.
        so_far: How many causes were not followed until now.
    """

    why: str
    so_far: int


@dataclass(frozen=True, slots=True)
class Release:
    """A version that was made.

    Attributes:
        folder: ``models/<detector>/<version>``.
    """

    folder: Path

    @property
    def manifest(self) -> Manifest:
        """What it says of itself."""
        return Manifest.from_json((self.folder / MANIFEST).read_bytes())

    @property
    def bundle(self) -> Path:
        """The signed file; not there before it is signed."""
        return self.folder / bundle_name(self.manifest)


def begin(request: Request, ledger: Ledger, registry: Registry) -> Run | Skipped:
    """Find the run of a request, or begin it.

    Each new event of one drift, or the next quarter, asks for what was made already: a run that waits for its signature
    is gone on with, and one that no release came of is not tried again of the same flights. A person's request is.

    Raises:
        GroundError: Bad input.
        GateError: No release came of the run, and nothing that it depends on has changed since.
        OSError: The disk refuses.
    """
    config = request.config
    name = ledger.name_of(request.cause, request.event, config.detector, config.bundle.fleet, utc_now())
    found = ledger.find(name)
    if any(run.state == State.DONE.value or _is_made(run, request.workspace, ledger) for run in found):
        return found[0]
    why = why_not(request, registry)
    if why:
        return _skip(request, ledger, name, why)
    is_manual = request.cause is Cause.MANUAL
    pending = None if is_manual else _pending(request, ledger, registry)
    if pending is not None:
        return pending
    _check_flown(request, registry)
    chosen = choose(request)
    is_known = bool(found) and found[0].basis == chosen.basis
    failed = _failed(request, ledger, chosen)
    if failed and not is_manual and not is_known:
        return _skip(request, ledger, name, f"no release came of the same flights and config in {', '.join(failed)}")
    sequences = _sequences(request, registry)
    if not is_known:
        return _open(request, ledger, sequences, name, chosen)
    if found[0].state == State.NOT_RELEASED.value:
        raise GateError(
            f"{name}: expected other flights, verdicts or another config than those of which no release came, got the "
            f"same; see {ledger.path(name) / SELECTION}"
        )
    # Another version has been made since, or this one by somebody else: agents would not go back to the number that it
    # was to have, and what it would be of is not what the run chose.
    is_overtaken = found[0].version in sequences or found[0].sequence <= max(sequences.values(), default=-1)
    return _open(request, ledger, sequences, name, chosen) if is_overtaken else found[0]


def why_not(request: Request, registry: Registry) -> str:
    """Why a request is not followed; empty where it is.

    Raises:
        ConfigError: The event is about another fleet.
        RegistryError: The registry cannot be used.
    """
    fleet = request.config.bundle.fleet
    versions = _versions(registry, request.config.detector)
    if request.event is not None:
        drifted = [each for each in versions if each.subject.digest == request.event.bundle_digest]
        if not drifted:
            return f"{request.event.bundle_id} ({request.event.bundle_digest[:_SHORT]}) is not registered"
        if drifted[0].subject.fleet != fleet:
            raise ConfigError(
                f"--event: expected one about fleet {fleet}, as --config says, got one about "
                f"{drifted[0].subject.fleet}; give the config of that fleet"
            )
        if drifted[0].state is not Standing.ACTIVE:
            return f"{request.event.bundle_id} is {drifted[0].state.value}, not active: nothing decides by it"
    waiting = [each.subject.name for each in versions if each.subject.fleet == fleet and each.state in _WAITING]
    if waiting and request.cause is not Cause.MANUAL:
        return f"{', '.join(waiting)} waits for a person's decision: promote or retire it first"
    return ""


def train(run: Run, request: Request, ledger: Ledger, *, key: SigningKey | None, progress: Progress) -> Release:
    """Make the release of a run, and sign it where there is a key; what is done already is not done again.

    Raises:
        GateError: A gate failed, so no bundle is made; or one stayed undecided, so it is none to fly.
        GroundError: What a stage refuses.
    """
    config = load_config(ledger.path(run.name) / CONFIG)
    release = Release(request.workspace.release(run.detector, run.version))
    reasons: tuple[str, ...] = ()
    try:
        # What was made stays what it is, though recordings may have come since; the pipeline refuses that of others.
        if not _is_made(run, request.workspace, ledger):
            made = run_pipeline(config, request.workspace, version=run.version, key=key, progress=progress, force=False)
            reasons = made.export.reasons
        _refuse_development(release, reasons)
    except GateError:
        ledger.write(run, State.NOT_RELEASED)
        raise
    if key is not None and not release.bundle.exists():
        sign_release(release.folder, key)
    return release


def register(run: Run, folder: Path, registry: Registry, *, keys: Sequence[Path], reason: str) -> RegisteredVersion:
    """Register a release, validate it, and give it the shadow's place; what is done already is not done again.

    Args:
        run: The run.
        folder: Its release.
        registry: Where.
        keys: Public keys that vouch for its signature.
        reason: What the registry is told.

    Raises:
        PromotionError: It may not be promoted; another shadow has got the place, which only a person's word takes.
        RegistryError: The registry cannot be used.
    """
    from ground.fleet.registry.plan import Promotion

    registry.register(folder, keys=list(keys), by=BY)
    by_hand = run.cause == Cause.MANUAL.value
    for old, new in _STEPS:
        if registry.version(run.bundle_id).state is old:
            asked = Promotion(to=new, approver=BY, reason=reason, replace=by_hand and new is Standing.SHADOW)
            registry.promote(run.bundle_id, asked)
    return registry.version(run.bundle_id)


def reason_of(run: Run, counts: Mapping[str, int]) -> str:
    """What the registry is told."""
    flights = ", ".join(f"{n} {reason}" for reason, n in counts.items() if n)
    return f"{run.name}: recordings {flights}"


def _is_made(run: Run, workspace: Workspace, ledger: Ledger) -> bool:
    """Whether a run has its release, and no other one its version: from then on, what it was made of is settled."""
    metrics = workspace.release(run.detector, run.version) / METRICS
    if run.state != State.OPEN.value or not metrics.exists():
        return False
    evidence = parse_json(metrics.read_bytes(), where=str(metrics))
    config = load_config(ledger.path(run.name) / CONFIG)
    return isinstance(evidence, dict) and evidence.get("config_digest") == config.digest


def _check_flown(request: Request, registry: Registry) -> None:
    """Where a version decided once, its alarms have to be known."""
    detector, fleet = request.config.detector, request.config.bundle.fleet
    flew = registry.history(detector).last_active(fleet) if _versions(registry, detector) else ""
    if flew and request.data is None and not request.nothing_flies:
        raise ConfigError(
            f"--data: expected the dataset of fleet {fleet}, in which {detector}/{flew} was active, got none; name it, "
            "or give --nothing-flies"
        )


def _skip(request: Request, ledger: Ledger, name: str, why: str) -> Skipped:
    return Skipped(why, ledger.skip(request.event.digest if request.event else name, why, utc_now()))


def _pending(request: Request, ledger: Ledger, registry: Registry) -> Run | None:
    """The newest run for the fleet that has its release, of which the registry has decided nothing yet."""
    sought = (request.config.detector, request.config.bundle.fleet)
    versions = _versions(registry, request.config.detector)

    def is_pending(run: Run) -> bool:
        decided = any(
            each.subject.version == run.version and each.state is not Standing.DEVELOPMENT for each in versions
        )
        # Agents would not go back to its number.
        overtaken = any(
            each.subject.sequence >= run.sequence
            for each in versions
            if each.subject.fleet == run.fleet and each.subject.version != run.version
        )
        return not decided and not overtaken and _is_made(run, request.workspace, ledger)

    found = [run for run in ledger.runs() if (run.detector, run.fleet) == sought and is_pending(run)]
    return max(found, key=lambda run: run.sequence, default=None)


def _failed(request: Request, ledger: Ledger, chosen: Chosen) -> list[str]:
    """Names of the detector's runs of which no release came, with the same flights and config."""
    sought = (request.config.detector, State.NOT_RELEASED.value, chosen.basis)
    return [run.name for run in ledger.runs() if (run.detector, run.state, run.basis) == sought]


def _refuse_development(release: Release, reasons: Sequence[str]) -> None:
    if release.manifest.release_class != RELEASE:
        text = f"{release.folder}: expected a release, got a development bundle, which stays here"
        raise GateError("\n".join([*reasons, text]))


def _sequences(request: Request, registry: Registry) -> dict[str, int]:
    """The sequence of each version of the detector that the workspace or the registry knows."""
    detector = request.config.detector
    registered = {each.subject.version: each.subject.sequence for each in _versions(registry, detector)}
    return {**released(request.workspace, detector), **registered}


def _open(request: Request, ledger: Ledger, sequences: Mapping[str, int], name: str, chosen: Chosen) -> Run:
    run = Run(
        name=name,
        cause=request.cause.value,
        event=request.event.digest if request.event else "",
        detector=request.config.detector,
        fleet=request.config.bundle.fleet,
        version=next_version(sequences),
        sequence=max([request.config.bundle.sequence, *(n + 1 for n in sequences.values())]),
        begun=f"{utc_now():%Y-%m-%dT%H:%M:%SZ}",
        basis=chosen.basis,
        state=State.OPEN.value,
    )
    folder = ledger.path(name)
    write_config(request.config, folder, chosen.selection, sequence=run.sequence)
    write_atomic(folder / SELECTION, json_bytes(chosen.document))
    return ledger.write(run, State.OPEN)


def _versions(registry: Registry, detector: str) -> tuple[RegisteredVersion, ...]:
    return registry.versions(detector) if detector in registry.detectors() else ()
