"""``ground report``: one page that needs nothing else, about an evaluation or about batch results."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ground.commands.options import JsonOption
from ground.errors import ConfigError, DataError
from ground.terminal import say, say_json, waiting

if TYPE_CHECKING:
    from ground.config import Config
    from ground.workspace import Workspace

_EVALUATION = "evaluation"
_PAGE = "report.html"
_PAGE_SUFFIX = ".html"
_YAML = ".yaml"
_SHORT = 12


def report(
    run: Annotated[
        Path, typer.Argument(help="A workspace that was evaluated, or the Parquet file that `ground batch` wrote.")
    ],
    *,
    config: Annotated[
        Path | None, typer.Option("--config", help="The evaluation's config; by default it is looked for.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="HTML file; default: report.html in the workspace, or beside results.")
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also print it to a PDF beside it, by Chromium.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write one self-contained HTML page about a run: every figure with units, printable, for screen readers too."""
    made = _printed(_batch(run, out) if run.is_file() else _evaluation(run, config, out), pdf=pdf)
    if as_json:
        say_json(made)


def report_of_batch(results: Path, *, pdf: bool) -> dict[str, str]:
    """Write the page about results, beside them, with ``pdf`` a PDF as well; where they are, for JSON."""
    return _printed(_batch(results, None), pdf=pdf)


def _printed(page: Path, *, pdf: bool) -> dict[str, str]:
    say(f"page: {page}")
    if not pdf:
        return {"page": str(page)}
    from ground.report.pdf import print_pdf

    with waiting("printing"):
        printed = print_pdf(page, page.with_suffix(".pdf"))
    say(f"pdf: {printed}")
    return {"page": str(page), "pdf": str(printed)}


def _batch(results: Path, out: Path | None) -> Path:
    from ground.report.batch_page import write_batch_page

    return write_batch_page(results, out=_page_path(out or results.with_suffix(_PAGE_SUFFIX), results))


def _page_path(page: Path, source: Path) -> Path:
    """``page``, if writing it, or a PDF beside it, replaces nothing that was read.

    Raises:
        ConfigError: It would.
    """
    if page.suffix != _PAGE_SUFFIX or page.resolve() == source.resolve():
        raise ConfigError(f"--out: expected a file ending in {_PAGE_SUFFIX}, other than {source}, got {page}; name one")
    return page


def _evaluation(run: Path, config: Path | None, out: Path | None) -> Path:
    from ground.config import load_config
    from ground.report.evidence_file import read_run
    from ground.report.page import write_page
    from ground.workspace import Workspace

    if not run.is_dir():
        raise DataError(f"{run}: expected a workspace or a file of results, got nothing; check the path")
    workspace = Workspace(run.parent if run.name == _EVALUATION else run)
    evidence = read_run(workspace).evidence
    chosen = load_config(config) if config else _config_of(workspace, evidence.config_digest)
    return write_page(workspace, chosen, out=_page_path(out or workspace.root / _PAGE, run))


def _config_of(workspace: Workspace, digest: str) -> Config:
    """The config of an evaluation: a YAML file of the workspace, or a packaged one."""
    packaged = [each for each in files("ground.configs").iterdir() if each.name.endswith(_YAML)]
    for source in (*sorted(workspace.root.glob(f"*{_YAML}")), *sorted(packaged, key=lambda each: each.name)):
        with as_file(source) as path:
            found = _readable(path)
        if digest in {config.digest for config in found}:
            return found[0]
    raise ConfigError(
        f"{workspace.root}: expected the config of this evaluation ({digest[:_SHORT]}), found it neither here nor "
        "among the packaged ones; name it with --config"
    )


def _readable(path: Path) -> tuple[Config, ...]:
    """The config in a file; nothing where it is a contract, or another program's YAML."""
    from ground.config import load_config

    try:
        return (load_config(path),)
    except ConfigError:
        return ()
