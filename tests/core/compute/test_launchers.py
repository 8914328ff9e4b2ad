"""Launchers without a cluster: jobs in threads, addresses that are refused, clusters that cannot be joined."""

import socket
import threading

import pytest
from cluster_jobs import invoke, needs_ray
from counting import Counted, Counting
from hypothesis import example, given
from hypothesis import strategies as st

from sertool.core.compute import ray_cluster, ray_launcher
from sertool.core.compute.jobs import Began, Lost, Share, Waiting, describe_placement
from sertool.core.compute.launchers import open_launcher
from sertool.core.compute.local import LocalLauncher
from sertool.core.errors import DataError, SertoolError, UsageError


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
        st.text(max_size=9)
        .filter(lambda text: not text.rpartition(":")[2].isdecimal())
        .map(lambda text: f"node:{text}"),
    )
)
@example("node:\x80:0")  # no name of a machine
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
            ConnectionError("Could not find any running Ray instance. Please specify\nthe one to connect to."),
            "--address auto: Could not find any running Ray instance. Please specify",
            "if the cluster asks for a token, put RAY_AUTH_MODE=token before the command",
        ),
        (
            RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.60.0\n    Python: 3.12.1"),
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
