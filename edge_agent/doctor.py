"""The doctor: every check in its order; nothing is changed by any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from edge_agent.config import AgentConfig, load_config
from edge_agent.config_source import ConfigSource
from edge_agent.doctor_audit import check_audit
from edge_agent.doctor_machine import check_clock, check_processor, check_telemetry, check_versions
from edge_agent.doctor_slots import check_slots
from edge_agent.doctor_state import check_agent, check_journal, check_metrics, check_state_dir
from edge_agent.doctor_systemd import check_unit
from edge_agent.doctor_update import check_update
from edge_agent.errors import AgentError
from edge_agent.finding import Finding, fail, fine, warn
from edge_agent.redact import secret_files

_OTHERS_MAY_READ = 0o004


def examine(config_path: Path) -> Iterator[Finding]:
    """Everything that can be checked with what is there: without a good config, only the machine."""
    yield from _of("machine", lambda: [check_versions(), check_telemetry(), check_processor(), check_clock()])
    yield from _of("unit", check_unit)
    try:
        config = load_config(config_path)
    except AgentError as error:
        outlook = ConfigSource(config_path).outlook()
        yield fail("config", str(error), f"correct the file, docs/reference/agent.md explains every key; {outlook}")
        return
    yield fine("config", str(config_path))
    yield from _of("password", lambda: _check_password(config))
    yield from _of("state folder", lambda: [check_state_dir(config)])
    yield from _of("agent", lambda: [check_agent(config)])
    yield from _of("journal", lambda: [check_journal(config)])
    yield from _of("metrics", lambda: check_metrics(config))
    yield from _of("audit log", lambda: check_audit(config))
    yield from _of("slots", lambda: check_slots(config))
    yield from _of("bundle", lambda: _check_bundle(config))
    yield from _of("shadow", lambda: _check_shadow(config))
    yield from _of("update", lambda: check_update(config))
    yield from _of("broker", lambda: _check_broker(config))


def _of(name: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """The findings of a check; one that breaks is a finding, and the others go on."""
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 - a doctor must come to the end of his list
        yield fail(name, f"the check failed: {type(error).__name__}: {error}", "report this, with `edge-agent diag`")


def _check_password(config: AgentConfig) -> Iterator[Finding]:
    for path in secret_files(config):
        if path.is_file() and path.stat().st_mode & _OTHERS_MAY_READ:
            yield warn("password", f"{path} can be read by everybody", f"chmod o-r {path}")


def _check_bundle(config: AgentConfig) -> Iterable[Finding]:
    # Imported here: with onnxruntime broken, the other checks still run.
    from edge_agent.doctor_bundle import check_bundle

    return check_bundle(config)


def _check_shadow(config: AgentConfig) -> Iterable[Finding]:
    from edge_agent.doctor_bundle import check_shadow

    return check_shadow(config)


def _check_broker(config: AgentConfig) -> Iterable[Finding]:
    from edge_agent.doctor_broker import check_broker

    return check_broker(config)
