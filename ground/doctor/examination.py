"""Every check in its order; none of them changes anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from edge_agent.doctor_machine import check_telemetry
from edge_agent.finding import Finding, fail
from ground.doctor.libraries import check_extras, check_libraries, check_python
from ground.doctor.place import check_disk, check_keys
from ground.doctor.programs import check_programs
from ground.doctor.threads import check_processes, check_torch
from ground.doctor.way import check_way


def examine(workspace: Path | None, config: Path | None) -> Iterator[Finding]:
    """What each check finds.

    Args:
        workspace: Also looked at, where one is given.
        config: Of the detector that is made there; the way ends before it where there is none.
    """
    yield from _of("python", lambda: [check_python()])
    yield from _of("libraries", check_libraries)
    yield from _of("extras", check_extras)
    yield from _of("programs", check_programs)
    yield from _of("telemetry", lambda: [check_telemetry()])
    yield from _of("torch", lambda: [check_torch()])
    yield from _of("processes", lambda: [check_processes()])
    yield from _of("disk", lambda: [check_disk(workspace or Path())])
    if workspace is not None:
        yield from _of("keys", lambda: check_keys(workspace))
        yield from _of("next", lambda: check_way(workspace, config))


def _of(name: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """The findings of a check; one that breaks is a finding, and the others go on."""
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 - a doctor must come to the end of his list
        yield fail(name, f"the check failed: {type(error).__name__}: {error}", "report this line")
