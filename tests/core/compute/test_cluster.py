"""Jobs on a Ray cluster of this machine: nodes and drivers that die, other versions, the bytes of one process."""

import os
import platform
import re
import sys
import time
import types
from contextlib import contextmanager
from pathlib import Path

import counting
import numpy as np
import pytest
import scarce_memory
import torch
from builders import CPU, make_corpus, tiny_recipe, write_tiny
from cluster_jobs import invoke, needs_ray
from counting import Counted, Counting
from dialogue_corpora import context_recipe, dialogue_corpus
from scored_corpora import scored_corpus, scored_recipe, voted_corpus, voted_recipe

from sertool.core.compute import ray_launcher
from sertool.core.compute.jobs import Began, Share, Waiting
from sertool.core.compute.launchers import open_launcher
from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.features import extract as decoding
from sertool.core.features.audio import Segment
from sertool.core.features.cache import ShardCache
from sertool.core.features.extract import Decoding, _Shard, extracts, extracts_by
from sertool.core.features.log_mel import LogMel
from sertool.core.inference import predictor as predicting
from sertool.core.inference import shards
from sertool.core.prepare.draw_splits import Draw
from sertool.core.prepare.table import read_table
from sertool.core.recipe.load import load
from sertool.core.runs import train as runs
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import Note, Resumed, train_recipe
from sertool.core.training.loop import Epoch

UNEVEN = {"max_epochs": 12, "patience": 2, "max_decays": 1}


DROPOUT = {"dropout_input": 0.2, "dropout_residual": 0.1, "dropout_output": 0.5}


# On a cluster of two nodes on this machine
SMALL = {"object_store_memory": 100 * 2**20, "include_dashboard": False}


@pytest.fixture(scope="module")
def cluster():
    """A head without room for workers, and two nodes with a CPU each; none of their processes is left behind."""
    pytest.importorskip("ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray import cloudpickle
    from ray.cluster_utils import Cluster

    for module in (counting, scarce_memory, sys.modules[__name__]):
        cloudpickle.register_pickle_by_value(module)  # workers do not have the tests
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
@pytest.mark.parametrize("kind", ["scores", "votes", "dialogues"])
def test_scores_votes_and_dialogues_train_as_in_one_process(tmp_path, launcher, kind):
    sizes = {"train": 25, "valid": 12, "test": 9}
    folds = {"scheme": "folds", "folds": 3}
    if kind == "scores":
        corpus = scored_corpus(sizes)
        recipe = scored_recipe(training={**UNEVEN, "loss": {"ccc": 1.0, "mse": 0.2}}, splits=folds)
    elif kind == "votes":
        corpus, recipe = voted_corpus(sizes), voted_recipe("soft", training=UNEVEN)
    else:
        corpus, recipe = dialogue_corpus(), context_recipe(training=UNEVEN)
    data = write_tiny(tmp_path / "data", corpus)
    for name, where in (("one", None), ("far", launcher)):
        plan = plan_training(open_experiment(recipe, data), tmp_path / name, [1, 2], 1, CPU)
        list(train_recipe(plan, data, CPU, where))
    assert contents(tmp_path / "far") == contents(tmp_path / "one")


@needs_ray
@pytest.mark.slow
def test_a_stack_that_a_worker_has_no_memory_for_is_halved(tmp_path, launcher, monkeypatch):
    data = write_tiny(tmp_path / "data", make_corpus({"train": 12, "valid": 24, "test": 6}))
    list(train_recipe(planned(data, tmp_path / "one", [1, 2, 3, 4], 2), data, CPU))
    monkeypatch.setattr(runs, "GroupTraining", scarce_memory.ScarceTraining)
    events = list(train_recipe(planned(data, tmp_path / "far", [1, 2, 3, 4], 4), data, CPU, launcher))
    told = [event.text for event in events if isinstance(event, Note) and "memory" in event.text]
    assert told == ["out of memory with 4 members: they train as 2 and 2, from the beginning"]
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
        str(caught.value) == "no node of the cluster has 1 CPU and 1 GPU for a worker; the largest has 1 CPU and 0 GPUs"
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
    assert str(caught.value) == ("no worker can start: a package is missing on the node: No module named 'only_here'")
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
    rate = re.compile(", [^ ]* a second, .* left$", re.MULTILINE)  # in the lines of what takes seconds
    assert rate.sub("", there) == rate.sub("", here)
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
    again = [_Shard([row.segment for row in table.rows[first : first + 64]], maker, cache) for first in (0, 64)]
    assert [shard.describe() for shard in again] == [[], []]
    assert [len(shard.kept) for shard in again] == [64, 7]


def stopped(*_, **__):
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
    assert str(caught.value) == f"0.wav: not found on node {platform.node()}"
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
    # A rate and the time left are told from a few seconds on, so on a slow machine alone.
    rate = r", \S+ a second, \S+ left"
    assert re.sub(rate, "", there) == re.sub(rate, "", here)
    refused = invoke(*(part for part in common if part != "--skip-bad"), *arguments)
    assert refused[0] == 1
    assert "error: 1 of 71 cannot be used\n  row 31: bad.wav: not readable as audio" in refused[1]


@needs_ray
@pytest.mark.slow
def test_a_cluster_of_this_machine_alone_ends_with_the_command(here):
    with own_processes_end():
        code, talk = invoke("train", "--recipe", "tiny.yaml", "--runs", "1", "--launcher", "ray", "--name", "far")
        assert code == 0, talk
    assert invoke("train", "--recipe", "tiny.yaml", "--runs", "1", "--name", "one")[0] == 0
    assert contents(here / "ckpt/far") == contents(here / "ckpt/one")
