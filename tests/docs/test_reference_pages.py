"""Pages that are made from code are those that it makes now; the navigation leaves no page out."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from types import ModuleType

import pytest

from edge_agent.audit_feed import SENT_FILE
from edge_agent.audit_files import AUDIT_FILE, LOCK_FILE
from edge_agent.evidence_store import FOLDER
from edge_agent.journal import JOURNAL_FOLDER
from edge_agent.slots_ledger import SLOTS_FOLDER
from edge_agent.status_file import STATUS_FILE
from edge_agent.unit_files import UNITS
from edge_agent.update_disk import UPDATE_FOLDER
from ground.demo.scenario import FLEET
from tests.conftest import ROOT


def loaded(path: str) -> ModuleType:
    """A script that lies in no package."""
    spec = importlib.util.spec_from_file_location(path.rpartition("/")[2].removesuffix(".py"), ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MADE = loaded("packaging/make_reference.py").make_pages()


@pytest.mark.parametrize("page", sorted(MADE))
def test_made_page_is_current(page: str) -> None:
    """What is committed is what `make reference` makes."""
    assert (ROOT / page).read_text(encoding="utf-8") == MADE[page], "run `make reference`"


def test_what_the_agent_touches_is_all_listed() -> None:
    """Files and folders of the state folder, by the names that the code has for them."""
    page = (ROOT / "docs" / "reference" / "agent.md").read_text(encoding="utf-8")
    said = re.search(r"\*\*What it touches\.\*\*.*?\n\n", page, re.DOTALL)
    assert said is not None
    files = (STATUS_FILE, AUDIT_FILE, f"{AUDIT_FILE}.<number>", LOCK_FILE, SENT_FILE)
    folders = (SLOTS_FOLDER, FOLDER, JOURNAL_FOLDER, UNITS, UPDATE_FOLDER)
    for name in (*files, *(f"{folder}/" for folder in folders)):
        assert f"`{name}`" in said.group()


def test_bash_completes_commands_and_options() -> None:
    """Of the agent, by the file that the package brings."""
    script = ROOT / "packaging" / "completion" / "edge-agent"
    typed = f"""
        . {script}
        complete_word() {{
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9 COMP_KEY=9 COMPREPLY=()
            "$(complete -p edge-agent | sed -E 's/.*-F ([^ ]+).*/\\1/')" edge-agent "${{@: -1}}" "${{@: -2:1}}"
            printf '%s\n' "${{COMPREPLY[@]}}"
        }}
        complete_word edge-agent spo
        complete_word edge-agent spool st
        complete_word edge-agent spool export --fo
    """
    done = subprocess.run(["bash", "-c", typed], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["spool", "stats", "--format"]


def test_the_tutorial_records_the_fleet_of_the_demo() -> None:
    """Whose verdict CI looks at: a fleet of other sizes may fail its gates, and then the tutorial ends halfway."""
    sizes = f"--healthy {FLEET.n_healthy} --faulty {FLEET.n_faulty} --sensor-faulty {FLEET.n_sensor_faulty}"
    command = f"ground simulate --out fleet {sizes} --severity-floor {FLEET.severity_floor:g} --seed {FLEET.seed}\n"
    assert command in (ROOT / "docs" / "tutorial" / "index.md").read_text(encoding="utf-8")


def test_navigation_leaves_no_page_out() -> None:
    """Each page once, those that the index links to in its order."""
    docs = ROOT / "docs"
    front, *sections = loaded("docs/hooks.py").navigation(docs)
    listed = [page for section in sections for pages in section.values() for page in pages]
    assert front == "index.md"
    assert sorted(listed) == sorted(
        path.relative_to(docs).as_posix() for path in docs.rglob("*.md") if path != docs / "index.md"
    )
    linked = re.findall(r"\]\((how-to/[\w-]+\.md)", (docs / "index.md").read_text(encoding="utf-8"))
    how_to = next(pages for section in sections for name, pages in section.items() if name == "How-to")
    assert how_to[: len(set(linked))] == list(dict.fromkeys(linked))
