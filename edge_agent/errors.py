"""Errors of edge_agent.

AgentError
├── ConfigError            agent.toml is unreadable or wrong
├── WireError              an MQTT payload is not a frame
├── LinkError              the broker cannot be reached or refuses us
├── FrameFileError         a file of frames is unreadable or cut short
├── EvidenceError          evidence is unreadable, missing or too long
├── UnitStateError         a file about a unit is not such a file
├── UpdateError            a repository is not to be believed, or not whole; ``reason`` names the check
│   └── RepositoryUnreachable  it did not answer, or not in time
├── ScorerError            the model and the feature spec do not fit together
└── BundleError            a bundle is refused; ``reason`` names the check
    ├── BundleFormatError      not the archive or member layout we accept
    ├── SignatureRejected      unsigned, forged, or signed by another key
    ├── DigestMismatch         a member differs from what was signed
    ├── PolicyRejected         signed, but not for this agent
    ├── ModelRejected          the ONNX graph holds something we do not run
    ├── GoldenMismatch         this machine does not reproduce the golden vectors
    └── SlotRefused            the slots cannot take it, or do not have it
"""

from __future__ import annotations


class AgentError(Exception):
    """Base of every error raised by edge_agent."""


class ConfigError(AgentError):
    """The agent's configuration is unreadable or wrong."""


class WireError(AgentError):
    """A payload is not a valid frame; ``reason`` is a short counter label."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class LinkError(AgentError):
    """The broker cannot be reached or refuses the agent; ``reason`` is a short counter label."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class FrameFileError(AgentError):
    """A file of frames is unreadable, cut short, or not such a file."""


class EvidenceError(AgentError):
    """Evidence is unreadable, missing, or longer than it may be."""


class UnitStateError(AgentError):
    """A file that says what is known of a unit is damaged, or of another version."""


class ScorerError(AgentError):
    """The model does not accept or return what the bundle promises."""


class UpdateError(AgentError):
    """An update repository is refused; ``reason`` is a stable short label for logs and tests."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RepositoryUnreachable(UpdateError):
    """An update repository did not answer, or not in time: nothing is wrong with what it holds."""


class BundleError(AgentError):
    """A bundle is refused; ``reason`` is a stable short label for logs and tests."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class BundleFormatError(BundleError):
    """The archive or one of its members is not laid out as the format demands."""


class SignatureRejected(BundleError):
    """The bundle is unsigned, forged, or signed by a key that is not pinned."""


class DigestMismatch(BundleError):
    """The members are not exactly the signed ones."""


class PolicyRejected(BundleError):
    """The bundle is genuine, but this agent must not run it."""


class ModelRejected(BundleError):
    """The ONNX model holds external data, foreign operators or a wrong interface."""


class GoldenMismatch(BundleError):
    """Features or scores computed here differ from the golden vectors."""


class SlotRefused(BundleError):
    """The slots do not take a bundle, do not have it, or cannot be used."""
