"""The system under test as MLPerf's loadgen sees it: samples loaded beforehand, queries answered by any engine."""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from tools.errors import CaseCrash
from tools.outputs import check_outputs
from tools.progress import Throttle
from tools.sut import TimedSUT
from tools.workload import Workload

STALL_SECONDS = 600.0
"""No query and no end of the test for so long ends the waiting for loadgen."""

_Query = Tuple[List[int], List[int]]
"""The response ids and the indices of a query's samples."""


class Samples:
    """The items that loadgen has loaded: single ones as ready batches, those of longer queries to be collated in the query."""

    def __init__(self, workload: Workload, singly: bool, together: bool) -> None:
        self._workload, self._singly, self._together = workload, singly, together
        self._ready: Dict[int, Any] = {}
        self._items: Dict[int, Any] = {}

    def load(self, indices: Sequence[int]) -> None:
        """Read items; not timed."""
        for index in indices:
            item = self._workload.item(index)
            if self._together:
                self._items[index] = item
            if self._singly:
                self._ready[index] = self._workload.collate([item])

    def unload(self, indices: Sequence[int]) -> None:
        """Forget them."""
        for index in indices:
            self._items.pop(index, None)
            self._ready.pop(index, None)

    def batch(self, indices: Sequence[int]) -> Any:
        """The batch of loaded items."""
        if self._singly and len(indices) == 1:
            return self._ready[indices[0]]
        return self._workload.collate([self._items[index] for index in indices])


class Judge:
    """Holds each sample's outputs to the truth, once."""

    def __init__(self, workload: Workload) -> None:
        self._evaluator = workload.evaluator
        self._seen: Set[int] = set()
        self._lock = threading.Lock()
        self._correct, self._judged = 0.0, 0

    def fresh(self, indices: Sequence[int]) -> List[int]:
        """Those not seen before: MultiStream fills its last query with samples that it has sent already."""
        with self._lock:
            new = [index for index in indices if index not in self._seen]
            self._seen.update(new)
        return new

    def __call__(self, outputs: Any, batch: Any) -> None:
        """Count one batch. Raises CaseCrash for outputs that cannot be right."""
        check_outputs(outputs, batch)
        score = self._evaluator(outputs, batch) if self._evaluator else None
        if score is None:
            return
        correct, judged = score if isinstance(score, tuple) else (score, batch.items)
        with self._lock:
            self._correct += float(correct)
            self._judged += int(judged)

    @property
    def accuracy(self) -> Optional[float]:
        """The score per sample; None where there is no truth."""
        return self._correct / self._judged if self._judged else None


class LoadSUT:
    """Answers loadgen's queries in place, in batches of `config.batch_size`; responses carry no data, `judge` sees the outputs.

    No exception leaves into loadgen, which would not survive it: the first one is kept in `error`, and whatever is still asked is
    answered emptily, so that the test ends.
    """

    def __init__(self, lg: Any, workload: Workload, engine: Any, samples: Samples, judge: Optional[Judge] = None) -> None:
        self._complete, self._response = lg.QuerySamplesComplete, lg.QuerySampleResponse
        self._forward, self._config, self._size = workload.forward, workload.config, workload.config.batch_size
        self._samples, self._judge = samples, judge
        self._report = Throttle("f", None, "samples")
        self._computing = False
        self._suts = [TimedSUT(engine)]
        self.error: Optional[BaseException] = None
        self.latencies_ns: List[int] = []
        self.asked = 0

    @property
    def foo_seconds(self) -> float:
        """What the engine declared as not inference."""
        return sum(sut.foo_seconds for sut in self._suts)

    def run(self, test: Callable[[], None]) -> None:
        """Run `test`, which calls what is below, in this thread: the engine may depend on the one it was made in."""
        test()

    def load(self, indices: Sequence[int]) -> None:
        """What loadgen calls LoadSamplesToRam."""
        try:
            self._samples.load(indices)
        except BaseException as error:  # raised by whoever ran the test
            self.fail(error)

    def unload(self, indices: Sequence[int]) -> None:
        """What loadgen calls UnloadSamplesFromRam."""
        self._samples.unload(indices)

    def issue(self, query: Sequence[Any]) -> None:
        """What loadgen calls IssueQuery."""
        began = time.perf_counter_ns()
        ids, indices = self._taken(query)
        self.answer(ids, indices, self._suts[0])
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
        """Compute and complete one batch; what the case or the engine raises is kept."""
        if self.error is None:
            try:
                self._computing = True
                if self._judge is None:
                    self._forward(sut, self._samples.batch(indices), self._config)
                else:
                    self._compute_and_judge(self._judge, indices, sut)
                self._computing = False
            except BaseException as error:  # raised by whoever ran the test
                self._computing = False
                self.fail(error)
        self.complete(ids)

    def complete(self, ids: Sequence[int]) -> None:
        """Tell loadgen that these samples are done."""
        self._complete([self._response(number, 0, 0) for number in ids])

    def _compute_and_judge(self, judge: Judge, indices: Sequence[int], sut: TimedSUT) -> None:
        fresh = judge.fresh(indices)
        if fresh:
            batch = self._samples.batch(fresh)
            judge(self._forward(sut, batch, self._config), batch)

    def _taken(self, query: Sequence[Any]) -> _Query:
        """What a query asks for; loadgen's own objects do not outlive IssueQuery."""
        self.asked += len(query)
        return [sample.id for sample in query], [sample.index for sample in query]


class QueuedSUT(LoadSUT):
    """Answers after IssueQuery has returned, which loadgen's schedule is not to wait for: in the calling thread and `clients` - 1
    more.

    After an error queries are held until loadgen has sent all, or so many that it gives up; `late_seconds` more make them late.
    """

    def __init__(
        self,
        lg: Any,
        workload: Workload,
        engine: Any,
        samples: Samples,
        judge: Optional[Judge] = None,
        clients: int = 1,
        late_seconds: float = 0.0,
    ) -> None:
        super().__init__(lg, workload, engine, samples, judge)
        self._suts = [TimedSUT(engine) for _ in range(clients)]
        self._late_seconds = late_seconds
        self._queue: SimpleQueue[Optional[_Query]] = SimpleQueue()
        self._lock = threading.Lock()
        self._held: List[int] = []
        self._issuing = False

    def run(self, test: Callable[[], None]) -> None:
        """Run `test` in a thread of its own, and answer here until it ends."""
        threads = [threading.Thread(target=self._drive, args=(test,), daemon=True)]
        threads += [threading.Thread(target=self._serve, args=(sut,), daemon=True) for sut in self._suts[1:]]
        for thread in threads:
            thread.start()
        self._serve(self._suts[0])
        for thread in threads:
            thread.join(STALL_SECONDS)

    def issue(self, query: Sequence[Any]) -> None:
        """What loadgen calls IssueQuery."""
        self._issuing = True
        self._queue.put(self._taken(query))

    def flush(self) -> None:
        """What loadgen calls FlushQueries: it has sent all of a test, and waits for the answers."""
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
        """The next query; None at the end of the test."""
        while True:
            asked = self.asked
            try:
                return self._queue.get(timeout=STALL_SECONDS)
            except Empty:
                if self.asked == asked:
                    self.fail(CaseCrash("loadgen sent no query and did not end for {:.0f} s".format(STALL_SECONDS)))
                    return None
