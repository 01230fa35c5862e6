"""The system under test as MLPerf's loadgen sees it: queries answered by any engine."""

from __future__ import annotations

import math
import threading
import time
from queue import Empty, SimpleQueue
from typing import Any, Callable, List, Optional, Sequence, Tuple

from tools.errors import CaseCrash
from tools.figures import Reason
from tools.kept_outputs import MOST_BYTES
from tools.late_outputs import late_reasons
from tools.load_samples import Work
from tools.progress import Throttle
from tools.sut import TimedSUT

STALL_SECONDS = 600.0
"""No query and no end of the test for so long ends the waiting for loadgen."""

LEAVE_SECONDS, POLL_SECONDS = 2.0, 0.5
"""How long an interrupted test may take to end before it is left to its thread, and how often that is looked at."""

_Query = Tuple[List[int], List[int]]
"""The response ids and the indices of a query's samples."""


class LoadSUT:
    """Answers loadgen's queries in place, in batches of `work.batch_size`; responses carry no data.

    No exception leaves into loadgen, which would not survive it: the first one is kept in `error`, and whatever is still asked is
    answered emptily, so that the test ends.
    """

    def __init__(self, lg: Any, engine: Any, work: Work, clients: int = 1) -> None:
        self._complete, self._response = lg.QuerySamplesComplete, lg.QuerySampleResponse
        self._engine, self._work, self._size = engine, work, work.batch_size
        self._report = Throttle("f", None, "samples")
        self._computing = False
        self._suts = [TimedSUT(engine, most_bytes=MOST_BYTES // clients) for _ in range(clients)]
        self._own = self._suts[0]
        self.error: Optional[BaseException] = None
        self.left = False
        self.latencies_ns: List[int] = []
        self.asked = 0

    @property
    def foo_seconds(self) -> float:
        """What the engine declared as not inference."""
        return sum(sut.foo_seconds for sut in self._suts)

    def late_reasons(self) -> Sequence[Reason]:
        """Why what the test measured must not be quoted: outputs that were written after their query had ended."""
        return late_reasons(self._engine, self._work.workload, self._suts, time.perf_counter_ns)

    def run(self, test: Callable[[], None]) -> None:
        """Run `test`, which calls what is below, in this thread: the engine may depend on the one it was made in."""
        test()

    def load(self, indices: Sequence[int]) -> None:
        """What loadgen calls LoadSamplesToRam."""
        try:
            self._work.samples.load(indices)
        except BaseException as error:  # raised by whoever ran the test
            self.fail(error)

    def unload(self, indices: Sequence[int]) -> None:
        """What loadgen calls UnloadSamplesFromRam."""
        self._work.samples.unload(indices)

    def issue(self, query: Sequence[Any]) -> None:
        """What loadgen calls IssueQuery."""
        began = time.perf_counter_ns()
        ids, indices = self._taken(query)
        self.answer(ids, indices, self._own)
        ended = time.perf_counter_ns()
        self.latencies_ns.append(ended - began)
        if ended >= self._report.due_ns:
            self._report(self.asked, ended)

    def flush(self) -> None:
        """What loadgen calls FlushQueries: nothing is held back."""

    def fail(self, error: BaseException) -> None:
        """Compute nothing more; the first error is the one that counts."""
        self.error = self.error or error

    def interrupt(self) -> None:
        """End the test because of a signal, from its handler; a query that the main thread computes is broken off."""
        if self.error is None:
            self.error = KeyboardInterrupt()
            if self._computing:
                raise self.error

    def answer(self, ids: Sequence[int], indices: Sequence[int], sut: TimedSUT) -> None:
        """Compute and complete a query, batch by batch."""
        if len(ids) <= self._size:
            self._answer_batch(ids, indices, sut)
            return
        for begin in range(0, len(ids), self._size):
            self._answer_batch(ids[begin : begin + self._size], indices[begin : begin + self._size], sut)

    def _answer_batch(self, ids: Sequence[int], indices: Sequence[int], sut: TimedSUT) -> None:
        """Compute and complete one batch, open to `interrupt` in the one thread that it comes to: our own SUT's. What the case or
        the engine raises is kept."""
        if self.error is None:
            try:
                try:
                    if sut is self._own:
                        self._computing = True
                    self._work(indices, sut)
                finally:
                    if sut is self._own:
                        self._computing = False
            except BaseException as error:  # raised by whoever ran the test
                self.fail(error)
        self.complete(ids)

    def complete(self, ids: Sequence[int]) -> None:
        """Tell loadgen that these samples are done."""
        self._complete([self._response(number, 0, 0) for number in ids])

    def _taken(self, query: Sequence[Any]) -> _Query:
        """What a query asks for; loadgen's own objects do not outlive IssueQuery."""
        self.asked += len(query)
        if len(query) == 1:  # each tenth of a microsecond counts where an engine takes forty
            sample = query[0]
            return [sample.id], [sample.index]
        return [sample.id for sample in query], [sample.index for sample in query]


class QueuedSUT(LoadSUT):
    """Answers after IssueQuery has returned, which loadgen's schedule is not to wait for: in the calling thread and `clients` - 1
    more.

    After an error queries are held until loadgen has sent all, or so many that it gives up; `late_seconds` more make them late.
    An interrupted test that does not end is `left`: its thread never comes back from its next call.
    """

    def __init__(self, lg: Any, engine: Any, work: Work, clients: int = 1, late_seconds: float = 0.0) -> None:
        super().__init__(lg, engine, work, clients)
        self._late_seconds = late_seconds
        self._queue: SimpleQueue[Optional[_Query]] = SimpleQueue()
        self._lock = threading.Lock()
        self._held: List[int] = []
        self._issuing = False
        self._patience_until = math.inf

    def run(self, test: Callable[[], None]) -> None:
        """Run `test` in a thread of its own, and answer here until it ends."""
        threads = [threading.Thread(target=self._drive, args=(test,), daemon=True)]
        threads += [threading.Thread(target=self._serve, args=(sut,), daemon=True) for sut in self._suts[1:]]
        for thread in threads:
            thread.start()
        self._serve(self._own)
        for thread in threads:
            thread.join(0.0 if self.left else STALL_SECONDS)

    def issue(self, query: Sequence[Any]) -> None:
        """What loadgen calls IssueQuery."""
        self._stay_if_left()
        self._issuing = True
        self._queue.put(self._taken(query))

    def flush(self) -> None:
        """What loadgen calls FlushQueries: it has sent all of a test, and waits for the answers."""
        self._stay_if_left()
        if self.error is not None:
            time.sleep(self._late_seconds)
        with self._lock:
            self._issuing, held, self._held = False, self._held, []
        super().complete(held)

    def complete(self, ids: Sequence[int]) -> None:
        """Tell loadgen that these samples are done, unless that would only make it go on for nothing."""
        if self.error is not None:
            with self._lock:
                if self._issuing:
                    self._held += ids
                    return
        super().complete(ids)

    def load(self, indices: Sequence[int]) -> None:
        """What loadgen calls LoadSamplesToRam."""
        self._stay_if_left()
        super().load(indices)

    def interrupt(self) -> None:
        """End the test because of a signal, from its handler, or leave it where it does not end soon."""
        self._patience_until = min(self._patience_until, time.monotonic() + LEAVE_SECONDS)
        super().interrupt()

    def _stay_if_left(self) -> None:
        """A thread that came into Python while that is shut down would end the process from within C++."""
        while self.left:
            threading.Event().wait()

    def _drive(self, test: Callable[[], None]) -> None:
        try:
            test()
        except BaseException as error:  # raised by whoever ran the test
            self.fail(error)
        finally:
            for _ in self._suts:
                self._queue.put(None)

    def _serve(self, sut: TimedSUT) -> None:
        while True:
            query = self._next()
            if query is None:
                return
            self.answer(*query, sut)
            if sut.ended_ns >= self._report.due_ns:
                self._report(self.asked, sut.ended_ns)

    def _next(self) -> Optional[_Query]:
        """The next query; None at the end of the test, or of the patience with it."""
        since, asked = time.monotonic(), self.asked
        while not self._overdue():
            try:
                return self._queue.get(timeout=POLL_SECONDS)
            except Empty:
                if self.asked != asked:
                    since, asked = time.monotonic(), self.asked
            if time.monotonic() - since > STALL_SECONDS:
                self.fail(CaseCrash("loadgen sent no query and did not end for {:.0f} s".format(STALL_SECONDS)))
                self.left = True
        return None

    def _overdue(self) -> bool:
        """Whether to leave the test to its thread."""
        if time.monotonic() > self._patience_until:
            self.left = True
        return self.left
