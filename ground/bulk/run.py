"""A batch run: every recording of a store assessed by an engine, one table as the result, and nothing done twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from edge_agent.journal_segment import sync_folder
from ground.batch import ModelSource, known_units, load_signed
from ground.batch_table import ResultsWriter
from ground.bulk.listing import Failure, Listing, Source, list_recordings
from ground.bulk.model_files import ModelFiles
from ground.bulk.parts import KeptPart, PartsFolder, RunContext, opened_parts
from ground.bulk.store import Store
from ground.bulk.work import Answer, AssessWork, Made, Platform
from ground.engine import Done, Engine, Lost, in_order
from ground.errors import DataError
from ground.progress import Progress
from ground.workspace import replaced

PARTS = ".parts"
_LISTING = "recordings found"


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What a batch run did.

    Attributes:
        recordings: Recordings assessed.
        resumed: Of these, the ones that an earlier run had done.
        assessments: Windows answered.
        alarms: Alarms raised.
        failures: Recordings left out, with the reason.
        unread: Files of a dataset that are no recordings.
    """

    recordings: int
    resumed: int
    assessments: int
    alarms: int
    failures: tuple[Failure, ...]
    unread: tuple[str, ...]


def run_batch(source: ModelSource, data: str, output: str, *, progress: Progress, engine: Engine) -> BatchReport:
    """Assess every recording of a store; an interim recording is never in memory as a whole.

    A run that was ended before its time is gone on with by the same call: what is done is kept beside the output, in
    ``.<name>.parts``, or in the working folder where the output is in an object store.

    Args:
        source: The signed model.
        data: Path or URL of the recordings: a folder with an index, or a dataset.
        output: Path or URL of a Parquet file of the results, in the order of the recordings.
        progress: Told after each recording.
        engine: Who does it; the result does not depend on it.

    Raises:
        BundleError: The model is refused.
        ConfigError: Another run works on the same output.
        DataError: No recordings, states of units that cannot be read, none could be read, or workers are missing.
        OSError: The disk refuses.
    """
    model = load_signed(source)
    known_units(source.units)
    store = Store.of(data)
    progress(_LISTING, 0, 1)
    listing = list_recordings(store, model.spec)
    progress(_LISTING, len(listing.sources), len(listing.sources))
    work = AssessWork(ModelFiles.read(source), store, Platform.here())
    context = RunContext(model=work.model.digest, bundle_digest=model.bundle_digest, platform=str(work.platform))
    target = _Target.of(output)
    with opened_parts(target.parts, context) as parts, ExitStack() as stack:
        path = stack.enter_context(replaced(target.local))
        writer = stack.enter_context(ResultsWriter(path))
        run = _Run(parts, listing, writer, progress)
        answers = engine.each(work, run.items(), where=str(store), progress=progress)
        run.take(stack.enter_context(closing(answers)))
        report = run.report(store)
        stack.close()
        target.deliver()
    return report


@dataclass(frozen=True, slots=True)
class _Target:
    """Where the results go, by way of a file of this machine."""

    store: Store
    name: str
    local: Path
    parts: Path

    @classmethod
    def of(cls, output: str) -> _Target:
        is_remote = "://" in output
        base, mark, options = output.partition("?") if is_remote else (str(Path(output).absolute()), "", "")
        folder, _, name = base.rpartition("/")
        store = Store.of(folder + mark + options)
        if not name or (store.is_local and store.path_of(name).is_dir()):
            raise DataError(f"--output: expected the name of a file, got {output}; add one")
        parts = (Path.cwd() if is_remote else Path(store.url)) / f".{name}{PARTS}"
        return cls(store, name, parts / name if is_remote else store.path_of(name), parts)

    def deliver(self) -> None:
        """Bring a finished file to where it belongs."""
        if self.store.is_local:
            sync_folder(self.local.parent)
        else:
            self.store.put(self.local, self.name)


class _Run:
    """Keeps parts as they come, and joins them in their order."""

    def __init__(self, parts: PartsFolder, listing: Listing, writer: ResultsWriter, progress: Progress) -> None:
        self._parts = parts
        self._listing = listing
        self._writer = writer
        self._progress = progress
        self._failures = list(listing.failures)
        self._recordings = self._resumed = self._assessments = self._alarms = 0

    def items(self) -> Iterator[tuple[Source, str]]:
        """The recordings, and the stamps of those that have a part already."""
        return ((source, self._parts.stamp_of(source.info)) for source in self._listing.sources)

    def take(self, answers: Iterator[Done[Answer]]) -> None:
        """Keep what comes, and add to the table what is due."""
        for each in in_order(map(self._kept, self._counted(answers))):
            if isinstance(each, KeptPart):
                self._writer.add(self._parts.path_of(each.sha256))
                self._recordings += 1
                self._assessments += each.assessments
                self._alarms += each.alarms
            elif isinstance(each, Failure):
                self._failures.append(each)

    def report(self, store: Store) -> BatchReport:
        """What was done.

        Raises:
            DataError: Nothing was.
        """
        if not self._recordings:
            why = self._failures[0].text if self._failures else "add some"
            raise DataError(f"{store}: expected a readable recording, got none; {why}")
        return BatchReport(
            self._recordings, self._resumed, self._assessments, self._alarms,
            tuple(self._failures), self._listing.unread,
        )  # fmt: skip

    def _counted(self, answers: Iterator[Done[Answer]]) -> Iterator[Done[Answer]]:
        total = len(self._listing.sources)
        for done, each in enumerate(answers, start=1):
            yield each
            self._progress("batch", done, total)

    def _kept(self, done: Done[Answer]) -> Done[KeptPart | Failure]:
        """The same, with what is heavy on disk."""
        info = self._listing.sources[done.index].info
        answer = done.result
        if isinstance(answer, Made):
            return Done(done.index, self._parts.keep(info, answer.part, answer.stamp))
        if isinstance(answer, Lost):
            return Done(done.index, Failure(info.recording_id, f"{info.recording_id}: {answer.text}"))
        if isinstance(answer, Failure):
            return Done(done.index, answer)
        self._resumed += 1
        return Done(done.index, self._parts.kept(info))
