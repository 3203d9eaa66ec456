"""Examples below the help of each command of ``edge-agent``. A test has the parser take each of them."""

from __future__ import annotations

import argparse
from typing import Final

_CONFIG: Final = "--config /etc/edge-agent/agent.toml"

EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "run": (f"edge-agent run {_CONFIG}",),
    "verify": ("edge-agent verify x.bundle --key public.pem --fleet west",),
    "replay": ("edge-agent replay --bundle x.bundle --frames alert.frames --out assessed --key public.pem",),
    "selftest": (f"edge-agent selftest --windows 1000 {_CONFIG}",),
    "status": (f"edge-agent status {_CONFIG}", f"edge-agent status --json {_CONFIG}"),
    "spool check": (f"edge-agent spool check {_CONFIG}",),
    "spool stats": (f"edge-agent spool stats {_CONFIG}",),
    "spool export": (f"edge-agent spool export --out waiting.jsonl {_CONFIG}",),
    "bundle install": (f"edge-agent bundle install x.bundle {_CONFIG}",),
    "bundle activate": (f"edge-agent bundle activate 3fa9c1d2 {_CONFIG}",),
    "bundle list": (f"edge-agent bundle list {_CONFIG}",),
    "bundle rollback": (f"edge-agent bundle rollback {_CONFIG}",),
    "bundle status": (f"edge-agent bundle status {_CONFIG}",),
    "audit verify": (f"edge-agent audit verify {_CONFIG}",),
    "audit show": (f"edge-agent audit show --since 2026-11-28T12:00 {_CONFIG}",),
    "update": (f"edge-agent update {_CONFIG}", f"edge-agent update --check --from /media/stick/repo {_CONFIG}"),
    "evidence list": (f"edge-agent evidence list {_CONFIG}",),
    "evidence export": (f"edge-agent evidence export --out alert.frames {_CONFIG}",),
    "doctor": (f"edge-agent doctor {_CONFIG}",),
    "diag": (f"edge-agent diag --output diag.tar.gz {_CONFIG}",),
    "config check": (f"edge-agent config check {_CONFIG}",),
    "config show": (f"edge-agent config show {_CONFIG}",),
    "config defaults": ("edge-agent config defaults",),
    "commission status": (f"edge-agent commission status {_CONFIG}",),
    "commission reset": (f"edge-agent commission reset --engine D-EXAM/1 {_CONFIG}",),
}
"""Command lines by command, the most usual first."""


def give_examples(command: argparse.ArgumentParser) -> None:
    """Put its help and its examples below the usage of each command within ``command``."""
    for action in command._actions:  # noqa: SLF001 - argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - same
            helps = {choice.dest: choice.help for choice in action._choices_actions}  # noqa: SLF001 - same
            for name, inner in action.choices.items():
                inner.description = _sentence(helps[name] or "")
                _show(inner)
                give_examples(inner)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _show(command: argparse.ArgumentParser) -> None:
    lines = EXAMPLES.get(command.prog.partition(" ")[2], ())
    if lines:
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        command.epilog = "\n".join(["examples:", *(f"  {line}" for line in lines)])
