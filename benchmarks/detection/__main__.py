"""``python -m benchmarks.detection``: see docs/reference/detection-benchmark.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.command import EXIT_OK, positive, run_command
from benchmarks.detection.document import Report, json_bytes
from benchmarks.detection.numbers import OK
from benchmarks.detection.page import page_of
from benchmarks.detection.roster import FULL, QUICK
from benchmarks.detection.run import run
from benchmarks.detection.tables import print_report
from benchmarks.detection.targets import targets_of, with_verdicts
from ground.cores import CORES
from ground.progress_bar import shown_progress
from ground.workspace import write_atomic


def main() -> int:
    """Measure, print, write the JSON and the page beside it; returns the exit code."""
    options = _options()
    effort = QUICK if options.quick else FULL
    with shown_progress(Console(stderr=True)) as progress:
        findings = run(options.data, effort, workers=options.workers, progress=progress)
    results = with_verdicts(findings.results)
    unreadable = {rig.rig: rig.reason for rig in findings.rigs if rig.status != OK}
    unheard = {rig.rig: len(rig.unheard) for rig in findings.rigs}
    report = Report(findings, results, targets_of(results, unreadable, unheard), effort)
    write_atomic(options.out, json_bytes(report))
    page = options.out.with_suffix(".html")
    write_atomic(page, page_of(report).encode("utf-8"))
    print_report(report)
    print(f"{options.out} and {page}")
    return EXIT_OK


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.detection", description="False alarms and detection on recordings of any rig."
    )
    options.add_argument("--data", type=Path, required=True, metavar="DIR", help="recordings folder")
    options.add_argument("--out", type=_json_file, required=True, metavar="FILE.json", help="the page lies beside it")
    options.add_argument("--quick", action="store_true", help="fewer cases and contenders; the report says which")
    options.add_argument("--workers", type=positive, default=CORES, help="processes")
    return options.parse_args()


def _json_file(text: str) -> Path:
    path = Path(text)
    if path.suffix != ".json":
        raise argparse.ArgumentTypeError(f"expected a file that ends in .json, got {path}")
    try:
        # Now, not after everything has been measured.
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"expected a folder that can be written, got {error}") from error
    return path


if __name__ == "__main__":
    sys.exit(run_command(main))
