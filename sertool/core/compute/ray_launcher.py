"""A launcher that runs jobs on the nodes of a Ray cluster.

Each worker is an actor that holds its share of a node and does one job after the other. It continues a job only when
the driver asks for the next event, so the driver is never more than one event per worker behind. Only the driver reads
and writes files: nothing here needs a file system that the nodes share.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sertool.core.compute.cards import ELSE_CPU
from sertool.core.compute.device import Device, Precision, Wanted, choose, choose_cpu
from sertool.core.compute.jobs import TRIES, Began, Job, Pending, Share, Waiting, Work
from sertool.core.compute.ray_worker import RayWorker, versions
from sertool.core.compute.worker import Event, RefusedJob
from sertool.core.errors import SertoolError, UsageError
from sertool.core.formatting import plural

MOST = 1000  # workers requested at a time; Ray keeps a request for each of them
PATIENCE = 15.0  # seconds without any worker until the user is told


@dataclass
class _Worker:
    """An actor as the driver sees it, with its node once it has answered, and its job."""

    actor: Any
    node: str = ""
    opened: bool = False
    job: Pending | None = None


@dataclass
class RayLauncher:
    """A launcher for the cluster that this process is connected to; see :mod:`sertool.core.compute.ray_cluster`.

    Attributes:
        gpus_each: GPUs for each worker that computes on a GPU.
        environment: environment variables for the workers.
    """

    gpus_each: float = 1.0
    environment: dict[str, str] = field(default_factory=dict)

    def choose(self, device: Device, precision: Wanted, *, graphs: bool = True) -> Precision:
        """Choose device and number format of the workers; if the cluster has GPUs, ask the first worker with one.

        Raises:
            UsageError: the nodes do not have what is requested.
        """
        import ray

        if device == "cpu":
            return choose_cpu(precision, "as requested")
        if ray.cluster_resources().get("GPU", 0):
            found: list[Precision] = []
            choice = _Choice(device, precision, graphs, self.gpus_each)
            for _ in self.run(choice, [Job("the look at a GPU", lambda: None, found.append)], Share(gpu=True)):
                pass
            return found[0]
        if device == "cuda":
            raise UsageError("--device cuda: no node of the cluster has a GPU", hint=ELSE_CPU)
        return choose_cpu(precision, "no node of the cluster has a GPU")

    def run(self, work: Work, jobs: Sequence[Job], share: Share) -> Iterator[Any]:
        """Yield the events of all jobs.

        A job whose worker dies is described again and given to another worker, at most :data:`TRIES` times. A job that
        fails does not stop the others.

        Args:
            work: the work that all jobs share; copied to each node once.
            jobs: the jobs in the order in which they start.
            share: the threads of a worker count as CPUs for Ray.

        Raises:
            SertoolError: a job failed (the others have finished by then), no node can hold a worker, or a node has
                other versions.
        """
        check_room(self._resources(share))
        pool = _Pool(work, jobs, share.threads, self._resources(share), self.environment)
        try:
            yield from pool.run()
        finally:
            pool.close()
        if pool.failed:
            first, *others = pool.failed
            more = f" (and {len(others)} more)" if others else ""
            error = type(first)(f"{first}{more}", hint=first.hint)
            raise error from first

    def _resources(self, share: Share) -> dict[str, float]:
        return {"CPU": 1, "GPU": self.gpus_each} if share.gpu else {"CPU": share.threads}


@dataclass(frozen=True)
class _Choice:
    """The job of asking a worker for its device; the worker gets a share of the device's memory."""

    device: Device
    precision: Wanted
    graphs: bool
    gpus_each: float

    def open(self) -> Callable[[None], Iterator[Precision]]:
        def do(_: None) -> Iterator[Precision]:
            chosen = choose(self.device, self.precision, graphs=self.graphs)
            yield replace(chosen, cores=1, memory=int(chosen.memory * self.gpus_each))

        return do


def check_room(resources: dict[str, float]) -> None:
    """Refuse a worker that no node could ever hold.

    Raises:
        SertoolError: no node is large enough; the message says what the largest has.
    """
    import ray

    nodes: list[dict[str, float]] = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(all(node.get(name, 0) >= amount for name, amount in resources.items()) for node in nodes):
        return
    most = max(([node.get(name, 0) for name in resources] for node in nodes), default=[0.0])
    raise SertoolError(
        f"no node of the cluster has {in_words(resources)} for a worker; "
        f"the largest has {in_words(dict(zip(resources, most, strict=False)))}",
        hint="use larger nodes, or put OMP_NUM_THREADS=1 before the command: a worker needs a CPU for each thread",
    )


def in_words(resources: dict[str, float]) -> str:
    """Return the resources as text, as in ``1 CPU and 0.5 GPU``."""
    return " and ".join(plural(amount, name) for name, amount in resources.items())


class _Pool:
    """The workers of one call of :meth:`RayLauncher.run`."""

    def __init__(
        self,
        work: Work,
        jobs: Sequence[Job],
        threads: int,
        resources: dict[str, float],
        environment: dict[str, str],
    ) -> None:
        import ray

        self.ray = ray
        self.waiting = deque(Pending(job) for job in jobs)
        self.failed: list[SertoolError] = []
        self.calls: dict[Any, _Worker] = {}  # by the last call to each worker
        self.stillborn = 0
        self.threads, self.resources = threads, resources
        self.actor = ray.remote(RayWorker).options(
            num_cpus=resources["CPU"],
            num_gpus=resources.get("GPU", 0),
            max_restarts=0,
            runtime_env={"env_vars": environment},
        )
        self.work = ray.put(work)

    def run(self) -> Iterator[Any]:
        """See :meth:`RayLauncher.run`."""
        for _ in range(min(len(self.waiting), MOST)):
            self._hire()
        while self.calls:
            ready, _ = self.ray.wait(list(self.calls), timeout=None if self._any_there() else PATIENCE)
            if not ready:
                yield Waiting(in_words(self.resources))
                ready, _ = self.ray.wait(list(self.calls))
            worker = self.calls.pop(ready[0])
            try:
                answer = self.ray.get(ready[0])
            except self.ray.exceptions.RayTaskError as error:
                if worker.opened:
                    raise  # a bug in the work, no mistake of the user
                raise _cannot_begin(_reason(error), worker.node) from error
            except self.ray.exceptions.RayError as error:
                yield from self._bury(worker, error)
                continue
            yield from self._next(worker, answer)

    def _any_there(self) -> bool:
        return any(worker.node for worker in self.calls.values())

    def _hire(self) -> None:
        worker = _Worker(self.actor.remote(self.threads))
        self.calls[worker.actor.hello.remote()] = worker

    def _next(self, worker: _Worker, answer: Any) -> Iterator[Any]:
        """Yield the events in a worker's answer, and give the worker its next call."""
        if not worker.node:
            worker.node = _checked_node(answer)
            self.calls[worker.actor.open.remote(self.work)] = worker
            return
        worker.opened = True
        if isinstance(answer, Event):
            assert worker.job is not None
            worker.job.job.take(answer.value)
            yield answer.value
            self.calls[worker.actor.go_on.remote()] = worker
            return
        if isinstance(answer, RefusedJob):
            self.failed.append(answer.error)
        worker.job = self.waiting.popleft() if self.waiting else None
        if worker.job is None:
            self.ray.kill(worker.actor)
        else:
            yield Began(worker.job.job.title, worker.node)
            self.calls[worker.actor.begin.remote(worker.job.job.describe())] = worker
        if not self.waiting:
            self._dismiss_idle()

    def _dismiss_idle(self) -> None:
        """Cancel workers that were requested and are no longer needed."""
        for call, worker in list(self.calls.items()):
            if worker.job is None:
                del self.calls[call]
                self.ray.kill(worker.actor)

    def _bury(self, worker: _Worker, error: Exception) -> Iterator[Any]:
        """Handle the death of a worker: its job waits again or has failed too often, and a new worker is requested."""
        pending, reason = worker.job, _reason(error)
        self.ray.kill(worker.actor)  # it may only have been out of reach
        if pending is None:
            self.stillborn += 1
            if self.stillborn >= TRIES:
                raise _cannot_begin(reason, worker.node) from error
        else:
            try:
                lost = pending.lose(reason, worker.node or "unknown")
            except SertoolError as failure:
                self.failed.append(failure)
            else:
                self.waiting.appendleft(pending)
                yield lost
        if self.waiting:
            self._hire()

    def close(self) -> None:
        """End all workers."""
        if self.ray.is_initialized():
            for worker in self.calls.values():
                self.ray.kill(worker.actor)
        self.calls.clear()


def _checked_node(answer: dict[str, str]) -> str:
    """Return the node of a worker; its versions must be those of this process."""
    node = answer["node"]
    differing = [f"{name} {answer[name]} (here {own})" for name, own in versions().items() if answer[name] != own]
    if differing:
        raise SertoolError(
            f"node {node} has other versions: {', '.join(differing)}",
            hint="install the same versions on every node, for example with constraints.txt",
        )
    return node


def _cannot_begin(reason: str, node: str) -> SertoolError:
    where = f" on node {node}" if node else ""
    return SertoolError(
        f"no worker can start{where}: {reason}",
        hint="sertool must be installed on every node, in the Python that Ray runs there",
    )


def _reason(error: Exception) -> str:
    """Explain in a few words why a worker died."""
    text = str(error)
    if "ModuleNotFoundError: " in text:
        return "a package is missing on the node: " + text.rpartition("ModuleNotFoundError: ")[2].splitlines()[0]
    if "low on memory" in text:
        return "the node ran out of memory"
    return "the node died" if "node has died" in text else "the worker died or cannot be reached"
