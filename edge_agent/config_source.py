"""Where a running agent's config comes from: its files, or at a start, where they are wrong, the last one that ran.

A wrong file must not silence a box at its next power-up, any more than a wrong bundle does. The copy lies in the state
folder, where the agent's own user writes: whom the agent trusts is read from the files as they are, never from there.
So is who it is: a box that was moved has a new bundle and a new fleet, or the old ones, and never one of each.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import structlog

from edge_agent.config import SECTIONS, AgentConfig, build_config, is_identity, likely_state_dir, load_config
from edge_agent.config_layers import Layer, find_values, merge, read_tables
from edge_agent.config_toml import plain
from edge_agent.errors import ConfigError
from edge_agent.replace_file import replace_file

KEPT_FILE: Final = "config.good"
SCHEMA: Final = 1
_OF_TRUST: Final = ("bundle", "shadow")
"""Sections that say whose bundles are run."""
_NOT_KEPT: Final = "update"
"""None of the running agent's business."""
_KEPT_CAP: Final = 1024 * 1024
_NO_COPY: Final = (OSError, ValueError, RecursionError, ConfigError)

_log = structlog.get_logger(__name__)


class _AnotherFleet(ConfigError):
    """The files state a fleet, and the kept config is of another one."""


class ConfigSource:
    """The config of one agent.

    Args:
        path: Its ``agent.toml``.
        environment: Variables that may override keys.

    Attributes:
        error: Why the files were refused at the start, which went on by the last config; empty where they were not.
    """

    def __init__(self, path: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._path = path
        self._environment = environment
        self.error = ""

    def read(self) -> AgentConfig:
        """The config as the files say.

        Raises:
            ConfigError: They are wrong.
        """
        return load_config(self._path, self._environment)

    def at_start(self) -> AgentConfig:
        """The config as the files say; where they are wrong, as it was when the agent last ran.

        Raises:
            ConfigError: The files are wrong, and none is kept, or they leave open whom it is to trust.
        """
        try:
            return self.read()
        except ConfigError as error:
            folder = self._folder()
            try:
                config = self._go_on_by(self._read_kept(folder), folder)
            except _AnotherFleet as another:
                raise ConfigError(f"{error}; {another}") from None
            except _NO_COPY:
                raise error from None
            self.error = str(error)
            return config

    def outlook(self) -> str:
        """What a start would make of files that are wrong, as the end of a sentence that says so."""
        folder = self._folder()
        try:
            kept = self._read_kept(folder)
            try:
                self._go_on_by(kept, folder)
            except ConfigError:
                self._build(Layer(KEPT_FILE, kept))
                return (
                    "until then NO START is possible: the files leave open whose bundles to run, and the last config "
                    "that ran does not decide that"
                )
        except PermissionError:
            return "ask as the agent's user or as root whether a start would go on by the last config that ran"
        except _NO_COPY:
            return f"until then NO START is possible: {folder} holds no last config that it could go on by"
        return "until then a start goes on by the last config that ran"

    def keep(self, config: AgentConfig) -> None:
        """Keep a config that the agent runs by; a disk that refuses must not end the watch over an engine."""
        document = {"schema": SCHEMA, "of": str(self._path.absolute()), "config": _tables(config)}
        content = json.dumps(document, indent=1).encode()
        path = config.agent.state_dir / KEPT_FILE
        try:
            if not path.is_file() or path.read_bytes() != content:
                replace_file(path, content)
        except OSError as error:
            _log.warning("config not kept", error=str(error), path=str(path))

    def _folder(self) -> Path:
        return likely_state_dir(self._path, self._environment)

    def _go_on_by(self, kept: dict[str, Any], folder: Path) -> AgentConfig:
        """What a kept config and the files make together.

        Raises:
            ConfigError: The files leave open whom to trust.
        """
        rest = {name: table for name, table in kept.items() if name not in _OF_TRUST}
        found = read_tables(self._path, self._environment, {name: SECTIONS[name] for name in _OF_TRUST})
        # What cannot be read may be what named this box: then it is who it was, or nobody.
        who = {} if found.broken else self._who()
        # A copy that was carried here states another folder.
        here = Layer("files", {"agent": {**who, "state_dir": str(folder)}})
        config = self._build(Layer(KEPT_FILE, rest), here, *found.layers)
        if found.broken:
            before = self._build(Layer(KEPT_FILE, kept))
            if (config.bundle, config.shadow) != (before.bundle, before.shadow):
                # What is broken off may have been a key that was revoked.
                raise ConfigError(f"{', '.join(found.broken)}: expected TOML, got a file that cannot be read; mend it")
            self._check_fleet(before.agent.fleet)
        return config

    def _who(self) -> dict[str, str]:
        """Fleet and name as the files state them. The fleet says whose bundles are run: there is none but theirs."""
        fleet, name = (self._stated(key) for key in ("fleet", "id"))
        return {"fleet": fleet, **({"id": name} if is_identity(name) else {})}

    def _check_fleet(self, fleet: str) -> None:
        """Refuse a kept fleet that the files contradict; one that is no TOML, but says it, speaks in its turn."""
        values = find_values(self._path, self._environment, "agent", "fleet", presumed=fleet)
        if values and values[-1] != fleet:
            raise _AnotherFleet(
                f"agent.fleet: expected {fleet!r}, as in the last config that ran, got {values[-1]!r}; "
                "correct the file: no start goes on by a config of another fleet"
            )

    def _stated(self, key: str) -> str:
        """What the last layer that names a key of ``[agent]`` says; empty where that is no text, or none does."""
        *_, last = "", *find_values(self._path, self._environment, "agent", key)
        return last if isinstance(last, str) else ""

    def _read_kept(self, folder: Path) -> dict[str, Any]:
        """The kept config, by table; may raise any of ``_NO_COPY``."""
        path = folder / KEPT_FILE
        document = json.loads(path.read_bytes()[:_KEPT_CAP]) if path.is_file() else {}
        known = {"schema": SCHEMA, "of": str(self._path.absolute())}
        tables = document.pop("config", None) if isinstance(document, dict) else None
        if document != known or not isinstance(tables, dict):
            raise ConfigError(f"{path}: expected the last config of {self._path}, got another; correct that file")
        return tables

    def _build(self, *layers: Layer) -> AgentConfig:
        return build_config(merge(layers, SECTIONS, self._path.absolute().parent))


def _tables(config: AgentConfig) -> dict[str, dict[str, Any]]:
    sections = {each.name: getattr(config, each.name) for each in dataclasses.fields(config)}
    return {
        name: {each.name: plain(getattr(section, each.name)) for each in dataclasses.fields(section)}
        for name, section in sections.items()
        if name != _NOT_KEPT
    }
