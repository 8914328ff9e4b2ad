"""Jobs in threads and on a Ray cluster: events in order, the same bytes, nodes that die, messages."""

import os
import platform
import re
import signal
import socket
import sys
import threading
import time
import types
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import CPU, make_corpus, tiny_recipe, write_tiny
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.compute import ray_cluster, ray_launcher
from sertool.core.compute.jobs import Began, Job, Lost, Share, Waiting, describe_placement
from sertool.core.compute.launchers import open_launcher
from sertool.core.compute.local import LocalLauncher
from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.features import extract as decoding
from sertool.core.features.audio import Segment
from sertool.core.features.cache import ShardCache
from sertool.core.features.extract import Decoding, _Shard, extracts, extracts_by
from sertool.core.features.log_mel import LogMel
from sertool.core.inference import distributed as shards
from sertool.core.inference import predictor as predicting
from sertool.core.prepare.draw_splits import Draw
from sertool.core.prepare.table import read_table
from sertool.core.recipe.load import load
from sertool.core.runs import train as runs
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import Note, Resumed, train_recipe
from sertool.core.training.loop import Epoch

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs the package ray (make test-cluster)")
UNEVEN = {"max_epochs": 12, "patience": 2, "max_decays": 1}
DROPOUT = {"dropout_input": 0.2, "dropout_residual": 0.1, "dropout_output": 0.5}


@dataclass
class Counting:
    """Counts to what a job says, from what it said before; ``die_at`` kills the worker, ``fail_at`` fails."""

    die_at: tuple[int, ...] = ()
    fail_at: int | None = None

    def open(self):
        def count(description):
            name, first, last = description
            for number in range(first, last):
                if number in self.die_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                if number == self.fail_at:
                    raise DataError(f"{name}: {number} is too much", hint="count less")
                yield (name, number)

        return count


class Counted:
    """A job of :class:`Counting` that goes on where it was."""

    def __init__(self, name, last=4, first=0):
        self.name, self.next, self.last = name, first, last
        self.job = Job(f"count {name}", self.describe, self.take)

    def describe(self):
        return self.name, self.next, self.last

    def take(self, event):
        assert event == (self.name, self.next)
        self.next += 1


# In threads


@pytest.mark.parametrize("workers", [1, 3])
def test_each_jobs_events_come_in_order_and_are_taken_first(workers):
    counted = [Counted(name) for name in "abcde"]
    seen = {name: [] for name in "abcde"}
    for name, number in LocalLauncher().run(Counting(), [c.job for c in counted], Share(workers)):
        seen[name].append(number)
        assert next(c for c in counted if c.name == name).next > number
    assert seen == {name: [0, 1, 2, 3] for name in "abcde"}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_jobs_error_is_raised_as_it_is(workers):
    jobs = [Counted(name).job for name in "ab"]
    with pytest.raises(DataError, match=r"^[ab]: 2 is too much$") as caught:
        list(LocalLauncher().run(Counting(fail_at=2), jobs, Share(workers)))
    assert caught.value.hint == "count less"


def test_what_is_told_of_the_cluster():
    events = [
        Began("group 2", "10.0.0.3"),
        Lost("group 2", "10.0.0.3", "the node died"),
        Waiting("1 CPU and 0.5 GPU"),
    ]
    assert [describe_placement(event) for event in events] == [
        "group 2 on node 10.0.0.3",
        "group 2 is run again elsewhere: the node died on node 10.0.0.3",
        "waiting for a node with 1 CPU and 0.5 GPU to spare",
    ]
    assert ray_launcher.in_words({"CPU": 4, "GPU": 0.5}) == "4 CPUs and 0.5 GPU"


# What a command says


def invoke(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.stderr


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a tiny corpus and a recipe for it."""
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path / "data")
    (tmp_path / "tiny.yaml").write_text(runs.resolved(tiny_recipe()))
    return tmp_path


def test_without_ray_there_is_one_message(here, monkeypatch):
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: None)
    message = "error: --launcher ray needs the package ray\n  try: pip install 'sertool[cluster]'\n"
    assert invoke("train", "--recipe", "tiny.yaml", "--launcher", "ray") == (2, message)
    (here / "a.csv").write_text("id,text\nx,word1 word2\n")
    assert invoke("predict", "--name", "x", "--table", "a.csv", "--launcher", "ray") == (2, message)


def test_options_that_do_not_go_together(here):
    asked = invoke("train", "--recipe", "tiny.yaml", "--address", "auto")
    assert asked == (2, "error: --address auto: only with --launcher ray\n")
    asked = invoke("prepare", "a.csv", "--out", "x", "--launcher", "ray", "--workers", "2")
    assert asked == (
        2,
        "error: --workers counts processes on this machine; --launcher ray uses the CPUs of the cluster\n",
    )


@pytest.fixture
def pretended(monkeypatch):
    """Ray counts as installed; nothing of it is imported before an address is known to answer."""
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: True)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def joined(address):
    with open_launcher("ray", address):
        raise AssertionError("there is no cluster")


@given(
    st.one_of(
        st.text(max_size=20).filter(lambda text: ":" not in text and text != "auto"),
        st.tuples(st.text(min_size=1, max_size=9), st.integers(min_value=2**16)).map(
            lambda pair: f"{pair[0]}:{pair[1]}"
        ),
        st.text(max_size=9).filter(lambda text: not text.isdecimal()).map(lambda text: f"node:{text}"),
    )
)
def test_an_address_that_is_none(address):
    with pytest.raises(UsageError) as caught:
        ray_cluster.check_address(address)
    assert str(caught.value) == f"--address {address}: expected auto, IP:PORT or ray://IP:PORT"


@pytest.mark.parametrize("client", ["", "ray://"])
def test_nothing_answers(pretended, client):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"{client}127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(SertoolError) as caught:
            joined(address)
    assert str(caught.value) == f"--address {address}: nothing answers there (Connection refused)"
    assert caught.value.hint == (
        "without --address sertool starts a cluster on this machine; `ray status` shows whether one runs"
    )


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", None])
def test_something_else_answers(pretended, monkeypatch, answer):
    monkeypatch.setattr(ray_cluster, "CONNECT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []  # an answer of None is one that never comes

        def serve():
            connection, _ = server.accept()
            held.append(connection)
            if answer is not None:
                connection.recv(100)
                connection.sendall(answer)
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(SertoolError) as caught:
            joined(address)
        thread.join()
        held[0].close()
    assert str(caught.value) == f"--address {address}: the server there is no Ray cluster"


@needs_ray
@pytest.mark.parametrize(
    ("raised", "message", "hint"),
    [
        (
            ConnectionError(
                "Could not find any running Ray instance. Please specify\nthe one to connect to."
            ),
            "--address auto: Could not find any running Ray instance. Please specify",
            "if the cluster asks for a token, put RAY_AUTH_MODE=token before the command",
        ),
        (
            RuntimeError(
                "Version mismatch: The cluster was started with:\n    Ray: 2.60.0\n    Python: 3.12.1"
            ),
            "--address auto: Version mismatch: The cluster was started with: Ray: 2.60.0 Python: 3.12.1",
            "install the same Python and Ray on every machine",
        ),
    ],
)
def test_a_cluster_that_cannot_be_joined(monkeypatch, raised, message, hint):
    import ray

    def fails(**_):
        raise raised

    monkeypatch.setattr(ray, "init", fails)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(SertoolError) as caught:
        joined("auto")
    assert (str(caught.value), caught.value.hint) == (message, hint)


# On a cluster of two nodes on this machine


SMALL = {"object_store_memory": 100 * 2**20, "include_dashboard": False}


@pytest.fixture(scope="module")
def cluster():
    """A head without room for workers, and two nodes with a CPU each; none of their processes is left behind."""
    pytest.importorskip("ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray import cloudpickle
    from ray.cluster_utils import Cluster

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not have the tests
    with own_processes_end():
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **SMALL})
        made.add_node(num_cpus=1, **SMALL)
        made.add_node(num_cpus=1, **SMALL)
        yield made
        made.shutdown()


@contextmanager
def own_processes_end():
    """The processes of Ray that began within the block are gone a little later."""
    pytest.importorskip("ray")  # brings psutil along
    import psutil

    before = set(psutil.Process().children(recursive=True))
    yield
    until = time.monotonic() + 20
    while left := set(psutil.Process().children(recursive=True)) - before:
        assert time.monotonic() < until, left
        time.sleep(0.2)


@pytest.fixture
def launcher(cluster):
    with open_launcher("ray", cluster.address) as opened:
        yield opened


def contents(folder):
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name not in ("log.jsonl", ".lock")}


def planned(data, folder, seeds, group_size, **training):
    recipe = tiny_recipe(training={**UNEVEN, **training}, model=DROPOUT)
    return plan_training(open_experiment(recipe, data), folder, seeds, group_size, CPU)


@needs_ray
@pytest.mark.slow
def test_a_node_dies_in_mid_training_and_every_byte_is_as_in_one_process(
    tmp_path, cluster, launcher, monkeypatch, capsys
):
    monkeypatch.setattr(runs, "SAVING_SHARE", 1e9)
    data = write_tiny(tmp_path / "data", make_corpus({"train": 12, "valid": 24, "test": 6}))
    seeds, long = [1, 2, 3, 4, 5, 6], {"max_epochs": 40, "patience": None}
    list(train_recipe(planned(data, tmp_path / "one", seeds, 2, **long), data, CPU))
    epochs, killed, notes, resumed = {}, False, [], []
    for event in train_recipe(planned(data, tmp_path / "far", seeds, 2, **long), data, CPU, launcher):
        if isinstance(event, Note):
            notes.append(event.text)
            if "group 1 on" in event.text:
                time.sleep(5)  # the other node's worker is there as well then
        elif isinstance(event, Resumed):
            resumed.append(event)
        else:
            epochs[event.rows[0][0].seed] = event.number
        # Both nodes are in the middle of a group when one of them is killed.
        if not killed and len(epochs) == 2 and min(epochs.values()) >= 3:
            assert max(epochs.values()) < 40
            cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
            cluster.add_node(num_cpus=1, **SMALL)
            killed = True
    assert killed
    (lost,) = [note for note in notes if "elsewhere" in note]
    number = int(lost.split()[1]) - 1
    why = "(the node died|the worker died or cannot be reached)"
    assert re.fullmatch(rf"group [123] is run again elsewhere: {why} on node [0-9.]+", lost)
    assert capsys.readouterr().out == ""
    assert [event.group for event in resumed] == [number]
    assert resumed[0].epoch >= 1
    assert sum(f"group {number + 1} on node" in note for note in notes) == 2
    wanted = contents(tmp_path / "one")
    assert len([name for name in wanted if name.endswith("run.json")]) == 6
    assert contents(tmp_path / "far") == wanted


@needs_ray
@pytest.mark.slow
def test_a_killed_driver_goes_on_from_the_folder(tmp_path, launcher, monkeypatch):
    monkeypatch.setattr(runs, "SAVING_SHARE", 1e9)
    data = write_tiny(tmp_path / "data")
    list(train_recipe(planned(data, tmp_path / "one", [1, 2], 1), data, CPU))
    events = train_recipe(planned(data, tmp_path / "far", [1, 2], 1), data, CPU, launcher)
    for event in events:
        if isinstance(event, Epoch) and event.number == 3:
            break
    events.close()
    assert list((tmp_path / "far/state").iterdir())
    rest = list(train_recipe(planned(data, tmp_path / "far", [1, 2], 1), data, CPU, launcher))
    assert [event.epoch for event in rest if isinstance(event, Resumed)]
    assert contents(tmp_path / "far") == contents(tmp_path / "one")


@needs_ray
@pytest.mark.slow
def test_workers_that_die_and_jobs_that_fail(launcher):
    """A job goes on after two deaths; one that kills every worker fails, and the others are done all the same."""
    a, b = Counted("a", last=6), Counted("b", last=9)
    work = Counting(die_at=(7,))
    events = []
    with pytest.raises(SertoolError) as caught:
        events += launcher.run(work, [a.job, b.job], Share())
    assert str(caught.value).startswith("count b: its worker died 4 times, the last time on node ")
    assert str(caught.value).endswith(": the worker died or cannot be reached")
    assert caught.value.hint == "run the same command again; finished work is kept"
    assert (a.next, b.next) == (6, 7)


@needs_ray
@pytest.mark.slow
def test_a_users_mistake_stops_only_its_job(launcher):
    jobs = [Counted("a", last=2), Counted("b", last=9), Counted("c", last=9), Counted("d", last=2)]
    with pytest.raises(DataError) as caught:
        list(launcher.run(Counting(fail_at=5), [one.job for one in jobs], Share()))
    assert str(caught.value) in ("b: 5 is too much (and 1 more)", "c: 5 is too much (and 1 more)")
    assert caught.value.hint == "count less"
    assert [one.next for one in jobs] == [2, 5, 5, 2]


@needs_ray
@pytest.mark.slow
def test_no_node_is_large_enough(launcher):
    with pytest.raises(SertoolError) as caught:
        list(launcher.run(Counting(), [Counted("a").job], Share(threads=3)))
    assert str(caught.value) == "no node of the cluster has 3 CPUs for a worker; the largest has 1 CPU"
    with pytest.raises(SertoolError) as caught:
        list(launcher.run(Counting(), [Counted("a").job], Share(gpu=True)))
    assert (
        str(caught.value)
        == "no node of the cluster has 1 CPU and 1 GPU for a worker; the largest has 1 CPU and 0 GPU"
    )
    with pytest.raises(UsageError) as caught:
        launcher.choose("cuda", "fp32")
    assert str(caught.value) == "--device cuda: no node of the cluster has a GPU"
    assert launcher.choose("auto", "auto").device == torch.device("cpu")


@needs_ray
@pytest.mark.slow
def test_other_versions_are_told(launcher, monkeypatch):
    monkeypatch.setattr(ray_launcher, "versions", lambda: {"sertool": "9.9", "torch": "1.2.0"})
    with pytest.raises(SertoolError) as caught:
        list(launcher.run(Counting(), [Counted("a").job], Share()))
    from sertool.core.compute.ray_worker import versions

    there = versions()
    assert str(caught.value).endswith(
        f" has other versions: sertool {there['sertool']} (here 9.9), torch {there['torch']} (here 1.2.0)"
    )


@needs_ray
@pytest.mark.slow
def test_sertool_is_not_installed_on_a_node(launcher, monkeypatch):
    elsewhere = types.ModuleType("only_here")
    monkeypatch.setitem(sys.modules, "only_here", elsewhere)
    source = "class Worker:\n def __init__(self, threads): pass\n def hello(self): pass\n"
    exec(source, vars(elsewhere))
    monkeypatch.setattr(ray_launcher, "RayWorker", elsewhere.Worker)
    with pytest.raises(SertoolError) as caught:
        list(launcher.run(Counting(), [Counted("a").job], Share()))
    assert str(caught.value) == (
        "no worker can start: a package is missing on the node: No module named 'only_here'"
    )
    assert caught.value.hint == "sertool must be installed on every node, in the Python that Ray runs there"


@needs_ray
@pytest.mark.slow
def test_it_says_that_it_waits(launcher, monkeypatch):
    monkeypatch.setattr(ray_launcher, "PATIENCE", 0.001)
    events = list(launcher.run(Counting(), [Counted("a").job], Share()))
    assert events[0] == Waiting("1 CPU")
    assert isinstance(events[1], Began)
    assert events[2:] == [("a", 0), ("a", 1), ("a", 2), ("a", 3)]


@pytest.fixture
def recordings(tmp_path, monkeypatch):
    """Seventy short recordings and a file that is none, named by paths relative to here."""
    import soundfile

    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(1)
    rows = ["id,audio,label,text"]
    for number in range(70):
        samples = random.normal(0, 0.1, 2000 + 100 * number)
        soundfile.write(tmp_path / f"{number}.wav", samples, 16000, subtype="PCM_16")
        rows.append(f"u{number},{number}.wav,{'ab'[number % 2]},word{number % 40} word1")
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    rows.insert(30, "bad,bad.wav,a,word2")
    (tmp_path / "table.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


@needs_ray
@pytest.mark.slow
def test_prepared_on_a_cluster_it_is_the_same_corpus(recordings, cluster, monkeypatch):
    common = ("prepare", "table.csv", "--skip-bad")
    code, here = invoke(*common, "--out", "one/SET")
    assert code == 0, here
    code, there = invoke(*common, "--out", "far/SET", "--launcher", "ray", "--address", cluster.address)
    assert code == 0, there
    assert ": row 31: bad.wav: not readable as audio" in there
    assert there == here
    assert contents(recordings / "far") == contents(recordings / "one")
    # What is in the cache is not decoded again.
    monkeypatch.setattr("sertool.core.corpora.corpus_files.write_corpus", stopped)
    arguments = ("--out", "again/SET", "--launcher", "ray", "--address", cluster.address)
    assert invoke(*common, *arguments)[0] == 130
    monkeypatch.undo()
    monkeypatch.chdir(recordings)
    table = read_table(recordings / "table.csv", None, Draw((0.7, 0.15, 0.15), 1), missing_audio=True)
    cache = ShardCache(recordings / "again/SET/.prepare/frames")
    maker = LogMel(load("custom", ["dataset.path=SET"]).frontend)
    again = [
        _Shard([row.segment for row in table.rows[first : first + 64]], maker, cache) for first in (0, 64)
    ]
    assert [shard.describe() for shard in again] == [[], []]
    assert [len(shard.kept) for shard in again] == [64, 7]


def stopped(*_):
    raise KeyboardInterrupt


@needs_ray
@pytest.mark.slow
def test_a_recording_that_a_node_does_not_see(recordings, launcher, monkeypatch):
    rows = read_table(Path("table.csv"), None, Draw((1.0, 0.0, 0.0), 1)).rows[:2]
    maker = LogMel(load("custom", ["dataset.path=SET"]).frontend)
    monkeypatch.setattr(decoding, "Decoding", lambda maker, folder: Decoding(maker, Path("/nowhere")))
    relative = [Segment(Path(row.segment.path.name)) for row in rows]
    with pytest.raises(SertoolError) as caught:
        list(extracts_by(launcher, relative, maker, ShardCache(recordings / "cache")))
    assert str(caught.value) == f"0.wav: not there on node {platform.node()}"
    assert caught.value.hint == (
        "recordings must lie at the same path on every node, on a file system that all of them share"
    )
    # One that is not here either is the user's own mistake, told as without a cluster.
    missing = [Segment(Path("gone.wav"))]
    found = list(extracts_by(launcher, missing, maker, ShardCache(recordings / "cache")))
    assert found == list(extracts(missing, maker)) == ["gone.wav: no such file"]


@needs_ray
@pytest.mark.slow
@pytest.mark.parametrize("window", [None, 0.2], ids=["whole", "windows"])
def test_predicted_on_a_cluster_it_is_the_same(recordings, cluster, monkeypatch, window):
    monkeypatch.setattr(predicting, "SHARD", 16)
    monkeypatch.setattr(shards, "SHARD", 16)
    data = write_tiny(recordings / "data", make_corpus(width=80))
    plan = planned(data, recordings / "ckpt/tiny", [1, 2], None)
    list(train_recipe(plan, data, CPU))
    if window is not None:
        text = (recordings / "table.csv").read_text()
        (recordings / "table.csv").write_text(re.sub(r",word.*", ",", text))
    divided = () if window is None else ("--window", str(window))
    common = ("predict", "--name", "tiny", "--table", "table.csv", "--skip-bad", *divided)
    code, here = invoke(*common, "--json", "one.json", "--csv", "one.csv")
    assert code == 0, here
    arguments = ("--json", "far.json", "--csv", "far.csv", "--launcher", "ray", "--address", cluster.address)
    code, there = invoke(*common, *arguments)
    assert code == 0, there
    for end in ("json", "csv"):
        assert (recordings / f"far.{end}").read_bytes() == (recordings / f"one.{end}").read_bytes()
    assert there == here
    refused = invoke(*(part for part in common if part != "--skip-bad"), *arguments)
    assert refused[0] == 1
    assert "error: 1 of 71 cannot be used\n  row 31: bad.wav: not readable as audio" in refused[1]


@needs_ray
@pytest.mark.slow
def test_a_cluster_of_this_machine_alone_ends_with_the_command(here):
    with own_processes_end():
        code, talk = invoke(
            "train", "--recipe", "tiny.yaml", "--runs", "1", "--launcher", "ray", "--name", "far"
        )
        assert code == 0, talk
    assert invoke("train", "--recipe", "tiny.yaml", "--runs", "1", "--name", "one")[0] == 0
    assert contents(here / "ckpt/far") == contents(here / "ckpt/one")
