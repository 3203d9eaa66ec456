"""``edge-agent verify``: would an agent run this bundle, here?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_agent.bundle import open_path
from edge_agent.errors import BundleError
from edge_agent.exit_code import ExitCode
from edge_agent.load import prove_model
from edge_agent.output import say, say_json
from edge_agent.policy import Policy
from edge_agent.startup import today
from edge_agent.trust import TrustedKeys
from edge_agent.version import AGENT_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """What to verify, and against what.

    Attributes:
        bundle: A ``.bundle`` file, or a folder of its unpacked members.
        keys: Trusted public keys in PEM.
        fleet: The fleet it must be for; empty for any.
        allow_development: Whether a development bundle is welcome.
        json: Whether to print JSON.
    """

    bundle: Path
    keys: Sequence[Path]
    fleet: str
    allow_development: bool
    json: bool


def policy_of(*, fleet: str, allow_development: bool) -> Policy:
    """The policy of someone at a command line."""
    return Policy(fleet=fleet, agent_version=AGENT_VERSION, allow_development=allow_development, today=today())


def verify(options: VerifyOptions) -> ExitCode:
    """Make every check an agent makes before it runs a bundle, golden vectors on this machine included.

    Raises:
        ConfigError: A key file is missing or wrong.
        BundleError: The bundle is refused, and JSON is not wanted.
    """
    keys = TrustedKeys.from_files(options.keys)
    try:
        bundle = open_path(
            options.bundle,
            keys=keys,
            policy=policy_of(fleet=options.fleet, allow_development=options.allow_development),
        )
        prove_model(bundle)
    except BundleError as error:
        if not options.json:
            raise
        say_json({"accepted": False, "reason": error.reason, "error": str(error)})
        return ExitCode.BUNDLE_REFUSED
    facts = {**asdict(bundle.manifest), "digest": bundle.digest, "golden_windows": len(bundle.golden.scores)}
    if options.json:
        say_json({"accepted": True, "bundle_id": bundle.manifest.bundle_id, **facts})
        return ExitCode.OK
    say(f"{options.bundle}: accepted")
    for name, value in facts.items():
        say(f"  {name:18} {value}")
    return ExitCode.OK
