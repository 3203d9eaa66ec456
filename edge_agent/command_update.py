"""``edge-agent update``: one look into the repository, for people, scripts and the timer; never in the daemon."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.audit import AuditLog
from edge_agent.config import AgentConfig, load_config
from edge_agent.errors import BundleError, ConfigError, UpdateError
from edge_agent.exit_code import ExitCode
from edge_agent.output import say, say_json
from edge_agent.slots_disk import locked, make_folder
from edge_agent.status_file import prepare_folder
from edge_agent.update_disk import update_folder
from edge_agent.update_report import Notes, UpdateReport, read_report, write_report
from edge_agent.update_section import check_location

if TYPE_CHECKING:
    from edge_agent.update_choice import Offered
    from edge_agent.update_run import Found


def update(config_path: Path, *, source: str, check: bool, as_json: bool) -> ExitCode:
    """Update from ``source``, or from where the config says.

    Args:
        config_path: agent.toml.
        source: Address or folder; empty for ``update.url``.
        check: Whether only to look, and keep nothing.
        as_json: Whether to print JSON.

    Raises:
        ConfigError: The config or the pinned root is wrong, or this user may not write.
        UpdateError: The repository is refused.
        BundleError: The bundle is refused.
    """
    config = load_config(config_path)
    location = source or config.update.url
    _check(config, location)
    found = look(config, location) if check else take(config, location)
    _tell(found, check=check, as_json=as_json)
    return ExitCode.OK


def look(config: AgentConfig, location: str, *, now_s: float | None = None) -> Found:
    """What an update would do; raises as ``take``, and keeps nothing."""
    notes = Notes(AuditLog(config.agent.state_dir), frozenset())
    return _run(config, location, notes, now_s=now_s, dry=True)


def take(config: AgentConfig, location: str, *, now_s: float | None = None) -> Found:
    """Update; what it came to is reported and noted, also where it is refused.

    Raises:
        UpdateError: The repository is refused.
        BundleError: The bundle is refused.
        ConfigError: The config is wrong, or this user may not write.
    """
    state_dir = config.agent.state_dir
    _prepare(state_dir)
    with locked(update_folder(state_dir)):
        before = read_report(state_dir)
        notes = Notes(AuditLog(state_dir), frozenset(before.told))
        report = replace(before, checked=_text(datetime.now(UTC)), reason="")
        try:
            found = _run(config, location, notes, now_s=now_s, dry=False)
        except (UpdateError, BundleError) as error:
            notes.note_failure(error)
            _report(state_dir, replace(report, reason=error.reason), notes)
            raise
        _report(state_dir, replace(report, succeeded=report.checked, expires=_text(found.expires)), notes)
        return found


def _run(config: AgentConfig, location: str, notes: Notes, *, now_s: float | None, dry: bool) -> Found:
    try:
        # Here alone, and not in the daemon: python-tuf comes with the extra `ota`.
        from edge_agent.update_run import Update
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"edge-agent update: expected python-tuf, got {error}; install enginear-edge-agent[ota], which the Debian "
            "package brings along"
        ) from error
    return Update(config, location, notes, now_s=time.time() if now_s is None else now_s, dry=dry).run()


def _check(config: AgentConfig, location: str) -> None:
    check_location(location, where="--from")
    if not location:
        raise ConfigError("update.url: expected an address, or --from, got neither; name the repository")
    if not config.update.wanted:
        raise ConfigError("update.root: expected the root.json of the repository, got nothing; install it first")


def _prepare(state_dir: Path) -> None:
    prepare_folder(state_dir)
    try:
        make_folder(update_folder(state_dir))
    except OSError as error:
        raise ConfigError(
            f"agent.state_dir: expected a folder that can be written, got {state_dir}: {error.strerror}; ask as the "
            "agent's user or as root"
        ) from error


def _report(state_dir: Path, report: UpdateReport, notes: Notes) -> None:
    # A disk that refuses the report must not hide what it reports.
    with suppress(OSError):
        write_report(state_dir, replace(report, told=tuple(notes.told)))


def _tell(found: Found, *, check: bool, as_json: bool) -> None:
    if as_json:
        say_json(update_document(found, check=check))
        return
    verb = "to take" if check else "taken"
    for choice, role in ((found.active, "active"), (found.shadow, "shadow")):
        for each in choice.taken:
            say(f"{verb:9} {_line(each, role)}")
        for each in choice.halted:
            say(f"halted    {_line(each, role)}")
        for each in choice.waiting:
            say(f"waiting   {_line(each, role)}: its rollout has not come to this agent yet")
    if not (found.active.taken or found.shadow.taken):
        say(f"nothing new; the repository is valid until {_text(found.expires)}")


def update_document(found: Found, *, check: bool) -> dict[str, Any]:
    """What an update came to, for a script."""
    roles = {"active": found.active, "shadow": found.shadow}
    return {
        "check": check,
        "expires": _text(found.expires),
        **{
            role: {
                "taken": [_row(each) for each in choice.taken],
                "halted": [_row(each) for each in choice.halted],
                "waiting": [_row(each) for each in choice.waiting],
            }
            for role, choice in roles.items()
        },
    }


def _row(offered: Offered) -> dict[str, Any]:
    offer = offered.offer
    return {
        "digest": offered.digest,
        "bundle_id": offer.bundle_id,
        "sequence": offer.sequence,
        "part_number": offer.part_number,
        "bytes": offered.length,
    }


def _line(offered: Offered, role: str) -> str:
    return f"{offered.offer.bundle_id}, sequence {offered.offer.sequence}, {offered.digest[:16]}, {role}"


def _text(when: datetime) -> str:
    return when.isoformat(timespec="seconds")
