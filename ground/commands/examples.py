"""Examples below the help of each command. A test has the command line parse each of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import typer

_FOUNDERS: Final = (
    "--root-key a.pub --root-key b.pub --root-key c.pub --targets-key d.pub --targets-key e.pub --targets-key f.pub"
)
_VERSION: Final = "w/models/engine_vibration/1.0.0"
_BY: Final = "--approver alice"
_CONFIG: Final = "--config w/config.yaml --workspace w"

EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "init": ("ground init --data folder --set dataset --out w",),
    "simulate": ("ground simulate --out raw", "ground simulate --out raw --healthy 24 --faulty 8 --severity-floor 0.5"),
    "import": ("ground import --data folder --set dataset --workspace w",),
    "preprocess": (f"ground preprocess {_CONFIG}", f"ground preprocess {_CONFIG} --json"),
    "featurize": (f"ground featurize {_CONFIG}",),
    "train": (f"ground train {_CONFIG}", f"ground train {_CONFIG} --resume"),
    "evaluate": (f"ground evaluate {_CONFIG}", f"ground evaluate {_CONFIG} --json"),
    "report": ("ground report w --pdf", "ground report results.parquet --out page.html"),
    "export": (f"ground export {_CONFIG} --version 1.0.0",),
    "pipeline": (f"ground pipeline {_CONFIG} --version 1.0.0",),
    "tune": (f"ground tune {_CONFIG} --trials 50",),
    "adapt": (f"ground adapt {_CONFIG} --unit e0042",),
    "flights-needed": ("ground flights-needed --confidence 0.9",),
    "features list": (
        "ground features list --all",
        "ground features list --bundle x.bundle --key keys/public.pem --json",
    ),
    "features plot": ("ground features plot sim-e0001-f000 --data w/data/raw --at 12.5 --out window.html",),
    "features explain": ("ground features explain w/models/engine_vibration/1.0.0 --n1-hz 90",),
    "sign": (
        "ground sign w/models/engine_vibration/1.0.0 --key keys/private.pem",
        "ground sign w/models/engine_vibration/1.0.0 --pkcs11 'pkcs11:token=T;object=K?module-path=/usr/lib/p11.so'",
    ),
    "keys new": ("ground keys new --out keys",),
    "keys show": ("ground keys show keys --agent /etc/edge-agent/agent.toml",),
    "keys rotate": ("ground keys rotate keys --out keys-2",),
    "registry register": (f"ground registry register --bundle {_VERSION} --registry registry",),
    "registry list": ("ground registry list --registry registry --json",),
    "registry show": ("ground registry show engine_vibration/1.0.0 --registry registry",),
    "registry promote": (
        f"ground registry promote engine_vibration/1.0.0 --to shadow {_BY} --reason 'tried on the ground'",
        f"ground registry promote engine_vibration/1.0.0 --to active {_BY} --reason ECR-7 --shadow-report report.json",
    ),
    "registry retire": (f"ground registry retire engine_vibration/1.0.0 {_BY} --reason 'replaced by 1.1.0'",),
    "registry compare": ("ground registry compare engine_vibration/1.0.0 engine_vibration/1.1.0",),
    "repo new-key": ("ground repo new-key alice.pem",),
    "repo init": (f"ground repo init {_FOUNDERS} --snapshot-key s.pub --timestamp-key t.pub --repo repo",),
    "repo add": ("ground repo add west --key alice-bundles.pub --key bob-bundles.pub --repo repo",),
    "repo publish": (
        "ground repo publish x.bundle --wave 1 --key alice-bundles.pem --repo repo",
        "ground repo publish x.bundle --repo repo --json",
    ),
    "repo rollout": (
        "ground repo rollout 3fa9c1d2 --fleet west --wave 2 --percent 10 --repo repo",
        "ground repo rollout 3fa9c1d2 --fleet west --halt --repo repo",
    ),
    "repo withdraw": ("ground repo withdraw 3fa9c1d2 --fleet west --repo repo",),
    "repo trust-key": ("ground repo trust-key keys/public.pem --repo repo",),
    "repo distrust-key": ("ground repo distrust-key 3fa9c1d2 --repo repo",),
    "repo rotate-key": ("ground repo rotate-key targets --old dora --new frida.pub --repo repo",),
    "repo renew": ("ground repo renew root --repo repo",),
    "repo sign": ("ground repo sign --role root --key alice.pem --repo copy-of-repo",),
    "repo collect": ("ground repo collect stick/root.json --repo repo",),
    "repo commit": ("ground repo commit --online online --repo repo",),
    "repo refresh": ("ground repo refresh --online online --repo repo",),
    "repo discard": ("ground repo discard --role targets --repo repo",),
    "repo show": ("ground repo show --repo repo --json",),
    "repo epoch raise": ("ground repo epoch raise --repo repo",),
    "batch": (
        "ground batch --model w/models/engine_vibration/1.0.0 --data w/data/raw --output results.parquet",
        "ground batch --model w/models/engine_vibration/1.0.0 --data w/data/raw --output results.parquet --pdf",
        f"ground batch --model {_VERSION} --data s3://fleet/2026-11 --output results.parquet --engine dask",
        f"ground batch --model {_VERSION} --data w/data/raw --output results.parquet --json",
    ),
    "replay": (
        f"ground replay --as-stream --model {_VERSION} --data w/data/raw --broker localhost:1883 --speed 100",
        f"ground replay --model {_VERSION} --data w/data/raw --out frames.bin",
    ),
    "drift": ("ground drift --data fleet --model w/models/engine_vibration/1.0.0 --out drift.json",),
    "verdict list": ("ground verdict list --data fleet --open",),
    "verdict set": ("ground verdict set 3fa9c1d2 false_alarm --data fleet --by alice --note 'taxi over a kerb'",),
    "retrain": (
        f"ground retrain --reason schedule {_CONFIG} --registry registry --data fleet",
        f"ground retrain --reason drift --event drift.json {_CONFIG} --registry registry --data fleet",
        f"ground retrain --reason schedule {_CONFIG} --registry registry --data fleet --json",
    ),
    "collect run": ("ground collect run --out fleet --broker broker.example:8883 --ca ca.pem --name west",),
    "collect compact": ("ground collect compact --out fleet --before 2026-11-01",),
    "shadow report": (
        "ground shadow report --data fleet --since 2026-11-01",
        "ground shadow report --data fleet --json",
    ),
    "pyfunc": ("ground pyfunc --model w/models/engine_vibration/1.0.0 --out detector-mlflow",),
    "bridge sparkplug": ("ground bridge sparkplug --config bridge.yaml",),
    "console": (
        "ground console --workspace w --dataset fleet",
        "ground console --workspace w --dataset fleet --public-name console.example",
    ),
    "console user add": ("ground console user add alice --role approver --workspace w",),
    "console user list": ("ground console user list --workspace w",),
    "console user remove": ("ground console user remove bob --workspace w",),
    "console audit": ("ground console audit --workspace w", "ground console audit --workspace w --json"),
    "demo": ("ground demo", "ground demo --data folder --set dataset --broker mosquitto"),
    "doctor": ("ground doctor", "ground doctor --workspace w --json"),
}
"""Command lines by command, the most usual first."""


def give_examples(app: typer.Typer, above: str = "") -> None:
    """Put its examples below the help of each command of ``app``."""
    for command in app.registered_commands:
        path = f"{above}{command.name or _name_of(command.callback)}"
        command.epilog = _shown(EXAMPLES.get(path, ()))
    for group in app.registered_groups:
        if (path := f"{above}{group.name}") in EXAMPLES:
            group.epilog = _shown(EXAMPLES[path])
        if group.typer_instance is not None:
            give_examples(group.typer_instance, f"{above}{group.name} ")


def _name_of(callback: object) -> str:
    return str(getattr(callback, "__name__", "")).replace("_", "-")


def _shown(lines: Iterable[str]) -> str | None:
    # A line of \b keeps the formatter from filling the paragraph.
    body = "\n".join(f"  {line}" for line in lines)
    return f"\b\nExamples:\n{body}" if body else None
