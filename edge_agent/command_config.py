"""``edge-agent config check|show|defaults``."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from edge_agent.config import SECTIONS, read_config
from edge_agent.config_toml import config_toml, defaults_toml, plain
from edge_agent.exit_code import ExitCode
from edge_agent.output import say, say_json
from edge_agent.trust import TrustedKeys


def config_check(path: Path, *, as_json: bool) -> ExitCode:
    """Read the config as the agent does, its key files, too, and say which files and variables it came from.

    Raises:
        ConfigError: It is wrong, or a key file is missing or holds anything but a P-256 public key.
    """
    read = read_config(path)
    # A key of another kind would be refused at the next start: too late to learn of it on an aircraft.
    TrustedKeys.from_files((*read.config.bundle.keys, *read.config.shadow.keys))
    merged = read.merged
    if as_json:
        say_json({"ok": True, "layers": list(merged.layers)})
    else:
        say(f"{path}: correct; read {', '.join(merged.layers)}")
    return ExitCode.OK


def config_show(path: Path, *, as_json: bool) -> ExitCode:
    """Print the settings in force and where each comes from.

    Raises:
        ConfigError: The config is wrong.
    """
    read = read_config(path)
    if not as_json:
        say(config_toml(read.config, read.merged).rstrip())
        return ExitCode.OK
    document = {
        section.name: {
            each.name: {
                "value": plain(getattr(getattr(read.config, section.name), each.name)),
                "origin": read.merged.origin(f"{section.name}.{each.name}"),
            }
            for each in dataclasses.fields(getattr(read.config, section.name))
        }
        for section in dataclasses.fields(read.config)
    }
    say_json(document)
    return ExitCode.OK


def config_defaults() -> ExitCode:
    """Print every key with its default."""
    say(defaults_toml(SECTIONS).rstrip())
    return ExitCode.OK
