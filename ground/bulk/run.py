"""A batch run: every recording of a store assessed by an engine, one table as the result, and nothing done twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from ground.batch import ModelSource, known_units, load_signed
from ground.batch_record import SUFFIX, FilePrint, print_of
from ground.batch_table import ResultsWriter
from ground.bulk.listing import Failure, Listing, Source, list_recordings
from ground.bulk.model_files import ModelFiles
from ground.bulk.parts import KeptPart, PartsFolder, RunContext, opened_parts
from ground.bulk.store import Store
from ground.bulk.target import Target
from ground.bulk.work import Answer, AssessWork, Made
from ground.engine import Done, Engine, Lost, in_order
from ground.errors import DataError
from ground.progress import Progress
from ground.worker_platform import Platform, vector_units

_LISTING = "recordings found"
_MOST_UNREACHED = 20
"""So many recordings that no worker could fetch are no accident of single ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """What a batch run did.

    Attributes:
        recordings: Recordings assessed.
        resumed: Of these, the ones that an earlier run had done.
        empty: Of these, the ones that gave no window: they are shorter than one.
        assessments: Windows answered.
        alarms: Alarms raised.
        failures: Recordings left out, with the reason.
        unread: Files of a dataset that are no recordings.
        table: What tells the table from another one.
    """

    recordings: int
    resumed: int
    empty: tuple[str, ...]
    assessments: int
    alarms: int
    failures: tuple[Failure, ...]
    unread: tuple[str, ...]
    table: FilePrint


def run_batch(source: ModelSource, data: str, output: str, *, progress: Progress, engine: Engine) -> BatchReport:
    """Assess every recording of a store; an interim recording is never in memory as a whole.

    A run that was ended before its time, or left recordings out, is gone on with by the same call: what is done is kept
    beside the output, in ``.<name>.parts``, or in the working folder where the output is in an object store.

    Args:
        source: The signed model.
        data: Path or URL of the recordings: a folder with an index, or a dataset.
        output: Path or URL of a Parquet file of the results, in the order of the recordings.
        progress: Told after each recording.
        engine: Who does it; the result does not depend on it.

    Raises:
        BundleError: The model is refused.
        ConfigError: Another run works on the same output.
        DataError: No recordings, states of units that cannot be read, none could be read, workers are missing, or a
            store failed again and again.
        OSError: The disk refuses.
    """
    target = Target.of(output)
    target.store.check()
    model = load_signed(source)
    known_units(source.units)
    store = Store.of(data)
    progress(_LISTING, 0, 1)
    listing = list_recordings(store, model.spec, besides=_results_in(store, target))
    progress(_LISTING, len(listing.sources), len(listing.sources))
    units = vector_units()
    work = AssessWork(model=ModelFiles.read(source), store=store, landmark=listing.landmark, vector_units=units)
    context = RunContext(
        model=work.model.digest, bundle_digest=model.bundle_digest, platform=f"{Platform.here()}, {units}"
    )
    with opened_parts(target.parts, context) as parts:
        run = _Run(parts, listing, store, progress)
        with (
            ResultsWriter(parts.table) as writer,
            closing(engine.each(work, run.items(), where=str(store), progress=progress)) as answers,
        ):
            run.take(answers, writer)
        report = run.report(print_of(parts.table))
        target.deliver(parts.table)
        parts.stays = bool(report.failures)
    return report


def _results_in(store: Store, target: Target) -> tuple[str, ...]:
    """Names in a store of what this run, and those before it, wrote there."""
    root, place = store.url.rstrip("/"), f"{target.store.url.rstrip('/')}/{target.name}"
    if not place.startswith(f"{root}/"):
        return ()
    name = place[len(root) + 1 :]
    return (name, f"{name}{SUFFIX}")


class _Run:
    """Keeps parts as they come, and joins them in their order."""

    def __init__(self, parts: PartsFolder, listing: Listing, store: Store, progress: Progress) -> None:
        self._parts = parts
        self._listing = listing
        self._store = store
        self._progress = progress
        self._failures = list(listing.failures)
        self._empty: list[str] = []
        self._recordings = self._resumed = self._assessments = self._alarms = self._unreached = 0

    def items(self) -> Iterator[tuple[Source, str]]:
        """The recordings, and the stamps of those that have a part already."""
        return ((source, self._parts.stamp_of(source.info)) for source in self._listing.sources)

    def take(self, answers: Iterator[Done[Answer]], writer: ResultsWriter) -> None:
        """Keep what comes, and add to the table what is due.

        Raises:
            DataError: A store failed again and again.
        """
        for each in in_order(map(self._kept, self._counted(answers))):
            if isinstance(each, KeptPart):
                writer.add(self._parts.path_of(each.sha256))
                self._recordings += 1
                self._empty += [] if each.assessments else [each.recording_id]
                self._assessments += each.assessments
                self._alarms += each.alarms
            elif isinstance(each, Failure):
                self._failures.append(each)

    def report(self, table: FilePrint) -> BatchReport:
        """What was done.

        Raises:
            DataError: Nothing was.
        """
        if not self._recordings:
            why = self._failures[0].text if self._failures else "add some"
            raise DataError(f"{self._store}: expected a readable recording, got none; {why}")
        return BatchReport(
            recordings=self._recordings, resumed=self._resumed, empty=tuple(self._empty),
            assessments=self._assessments, alarms=self._alarms, failures=tuple(self._failures),
            unread=self._listing.unread, table=table,
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
            self._count_unreached(answer)
            return Done(done.index, answer)
        self._resumed += 1
        return Done(done.index, self._parts.kept(info))

    def _count_unreached(self, failure: Failure) -> None:
        self._unreached += failure.is_unreached
        if self._unreached > _MOST_UNREACHED:
            raise DataError(
                f"{self._store}: expected to fetch the recordings, got {self._unreached} that could not be; the last "
                f"one: {failure.text}; then run the same command again: it goes on"
            )
