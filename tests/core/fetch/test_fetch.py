"""fetch-data from an archive to folders that can be used: whatever happens on the way, nothing half or foreign."""

import csv
import gzip
import hashlib
import io
import json
import pickle
import subprocess
import sys
import tarfile
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from builders import REFERENCE, make_corpus
from typer.testing import CliRunner
from vocab_folders import write_vocab

from sertool.cli import app
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.errors import DataError
from sertool.core.fetch.download import Policy
from sertool.core.fetch.fetch import Request, fetch, state_of
from sertool.core.fetch.receipts import read_receipt, receipt_path
from sertool.core.fetch.sources import load_sources
from sertool.core.files.yaml_file import dump_yaml

CORPORA = {"IEMOCAP": "iemocap-mat", "MOSI": "mosi-mnt", "MOSEI": "mosei2-mat", "MELD": "meld7-mat"}
QUICK = Policy(tries=2, first_wait=0.01, longest_wait=0.02, connect_timeout=2, stall_timeout=2)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """The working folder of every command."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, code: int = 0):
    result = CliRunner().invoke(app, ["fetch-data", *arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.stderr
    return result


def add_corpus(archive: zipfile.ZipFile, name: str, prefix: str = "") -> None:
    for path in sorted((REFERENCE / CORPORA[name] / "data" / name).glob("*.*")):
        archive.write(path, f"{prefix}{name}/{path.name}")


def data_zip(path: Path, *names: str, prefix: str = "data/", extra: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names or CORPORA:
            add_corpus(archive, name, prefix)
        for name, content in (extra or {}).items():
            archive.writestr(name, content)
    return path


def models_zip(path: Path, prefix: str = "IEMOCAP_pretrained/") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for checkpoint in (REFERENCE / "iemocap-mat" / "ckpt" / "ref").glob("*.pkl"):
            archive.write(checkpoint, f"{prefix}{checkpoint.name}")
    return path


@pytest.fixture
def serve(tmp_path):
    """Serve a folder; gives its address and the list of paths that were asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}/", asked
    server.shutdown()
    server.server_close()
    thread.join()


def tree(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_list(tmp_path):
    result = run("--json", "list.json")
    assert result.stdout.splitlines()[0].split() == ["name", "here", "what"]
    assert result.stdout.endswith("next: sertool fetch-data NAME, or sertool fetch-data --check-links\n")
    rows = {row["name"]: row for row in json.loads(Path("list.json").read_text())}
    assert rows["data"]["state"] == "no"
    assert (rows["data"]["dest"], rows["meld-models"]["dest"]) == ("data", "ckpt")
    assert tree(tmp_path) == {"list.json"}


def test_data_from_a_file_is_unpacked_converted_and_told(tmp_path):
    archive = data_zip(tmp_path / "mine.zip")
    before = archive.read_bytes()
    result = run("data", "--from", "mine.zip", "--json", "result.json")
    digest = hashlib.sha256(before).hexdigest()
    lines = result.stdout.splitlines()
    assert lines[:3] == [
        f"data: {len(before) / 1e6:.1f} MB from mine.zip",
        f"SHA-256 {digest}",
        "no checksum has been published: this one is kept, and later downloads must have it too",
    ]
    assert lines[3:7] == [
        "data/IEMOCAP  62 utterances (train 39, test 23), 2 left out",
        "data/MOSI     66 utterances (train 39, test 27), 2 left out",
        "data/MOSEI    100 utterances (train 40, valid 20, test 24, private 16)",
        "data/MELD     91 utterances (train 42, valid 21, test 28)",
    ]
    assert lines[7] == "not in the archive: VGAF"
    assert lines[-1].startswith("next: sertool doctor --data data/IEMOCAP")
    assert "licence: none stated for the archive" in result.stderr
    assert tree(tmp_path / "data") == {".fetched", *CORPORA}
    assert archive.read_bytes() == before
    assert (tmp_path / "data/MELD/sertool/corpus.json").is_file()
    row = json.loads(Path("result.json").read_text())[0]
    assert (row["name"], row["new"], row["missing"], row["problems"]) == ("data", True, ["VGAF"], [])
    assert row["folders"]["MOSI"]["text"].startswith("66 utterances")

    again = run("data")
    assert again.stdout.startswith("data: is already there, fetched on 20")
    assert state_of("data", load_sources()["data"], Path("data")) == "there"


def test_the_list_tells_what_was_begun(tmp_path):
    notes = tmp_path / "data" / ".fetched"
    notes.mkdir(parents=True)
    states = []
    for left in (".emodb.zip.lock", ".emodb.zip.part", "emodb.zip"):
        (notes / left).touch()
        run("--json", "list.json")
        rows = {row["name"]: row["state"] for row in json.loads(Path("list.json").read_text())}
        assert rows.pop("emodb") == ("no" if left.endswith("lock") else "begun")
        states.append(rows)
    assert states[-1] == dict.fromkeys(states[0], "no")


def test_what_is_fetched_trains_and_evaluates(tmp_path):
    data_zip(tmp_path / "data.zip", "IEMOCAP", prefix="")
    models_zip(tmp_path / "IEMOCAP_pretrained.zip")
    result = run("data", "iemocap-models", "--from", str(tmp_path))
    assert "ckpt/IEMOCAP_pretrained  2 models, best validation accuracy 78.3" in result.stdout
    assert "next: sertool ensemble --name IEMOCAP_pretrained --sets test\n" in result.stdout
    done = CliRunner().invoke(app, ["ensemble", "--name", "IEMOCAP_pretrained", "--sets", "test"])
    assert done.exit_code == 0, done.output
    expected = json.loads((REFERENCE / "iemocap-mat" / "expected.json").read_text())
    value = expected["sets"]["test"]["ensemble_accuracy"][-1]
    assert f"2 members: accuracy {value:.2f}" in done.stdout


@pytest.mark.parametrize("prefix", ["", "x/", "a/b/c/", "IEMOCAP_pretrained/"])
def test_folders_around_the_models_are_tolerated(prefix, tmp_path):
    models_zip(tmp_path / "m.zip", prefix)
    run("iemocap-models", "--from", "m.zip", "--dest", "models")
    assert tree(tmp_path / "models") == {".fetched", "IEMOCAP_pretrained"}
    assert len(list((tmp_path / "models/IEMOCAP_pretrained").glob("best*.pkl"))) == 2


@pytest.mark.parametrize("prefix", ["MOSI/", "data/MOSI/", "a/b/MOSI/x/"])
def test_folders_around_a_corpus_are_tolerated(prefix, tmp_path):
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        add_corpus(archive, "MOSI", prefix)
    assert "data/MOSI  66 utterances" in run("data", "--from", "d.zip").stdout
    assert (tmp_path / "data/MOSI/test_mels.p").is_file()


def test_models_in_two_folders_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.writestr("a/best1_1.pkl", b"")
        archive.writestr("b/best1_2.pkl", b"")
    error = run("iemocap-models", "--from", "m.zip", code=1).stderr
    assert "error: m.zip: the archive holds models in several folders: a, b\n" in error
    assert tree(tmp_path / "ckpt") == {".fetched"}


def test_an_archive_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.writestr("holiday/photo.jpg", b"")
    error = run("data", "--from", "m.zip", code=1).stderr
    assert (
        "m.zip: the archive holds no IEMOCAP or MOSI or MOSEI or MELD or VGAF (it holds photo.jpg)" in error
    )


def test_word_vectors_lose_the_package_around_them(tmp_path):
    inner = tmp_path / "en_vectors_web_lg-2.3.0/en_vectors_web_lg/en_vectors_web_lg-2.3.0"
    write_vocab(inner / "vocab")
    (inner.parent / "__init__.py").write_text("raise RuntimeError")
    with tarfile.open(tmp_path / "v.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "en_vectors_web_lg-2.3.0", "en_vectors_web_lg-2.3.0")
    digest = hashlib.sha256((tmp_path / "v.tar.gz").read_bytes()).hexdigest()
    result = run("vectors", "--from", "v.tar.gz", "--sha256", digest.upper())
    assert "data/en_vectors_web_lg  word vectors, 2-d\n" in result.stdout
    assert "no checksum has been published" not in result.stdout
    assert tree(tmp_path / "data/en_vectors_web_lg") == {"vocab"}
    assert not list((tmp_path / "data").rglob("*.py"))


def test_the_published_checksum_of_the_vectors_is_held_to(tmp_path):
    (tmp_path / "v.tar.gz").write_bytes(gzip.compress(b""))
    error = run("vectors", "--from", "v.tar.gz", code=1).stderr
    digest = hashlib.sha256((tmp_path / "v.tar.gz").read_bytes()).hexdigest()
    assert f"error: v.tar.gz: its SHA-256 is {digest}, expected 839c177a60" in error
    assert "  try: it is damaged or another file; --sha256 says which one is meant\n" in error


def test_emodb_becomes_tables(tmp_path):
    with zipfile.ZipFile(tmp_path / "e.zip", "w") as archive:
        for name in ("03a01Fa", "03a01Wa", "08b02La"):
            archive.writestr(f"wav/{name}.wav", b"RIFF")
        archive.writestr("erklaerung.txt", "")
    result = run("emodb", "--from", "e.zip")
    assert "data/emodb-recordings  3 recordings, 2 speakers\n" in result.stdout
    assert result.stdout.endswith(
        "next: sertool prepare data/emodb-recordings/four-emotions.csv --out data/EMODB --recipe emodb\n"
    )
    with Path("data/emodb-recordings/utterances.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["emotion"] for row in rows] == ["happiness", "anger", "boredom"]
    assert all((Path("data/emodb-recordings") / row["audio"]).is_file() for row in rows)


class Hostile:
    def __reduce__(self):
        return (__import__("os").system, ("touch ran",))


def test_a_hostile_pickle_is_refused_by_name_and_the_rest_is_usable(tmp_path):
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        add_corpus(archive, "MOSI")
        for path in (REFERENCE / "vgaf-mat/data/VGAF").glob("*.*"):
            content = pickle.dumps(Hostile()) if path.name == "train_mels.p" else path.read_bytes()
            archive.writestr(f"VGAF/{path.name}", content)
    result = run("data", "--from", "d.zip", code=1)
    assert not (tmp_path / "ran").exists()
    message = "data/VGAF/train_mels.p: names posix.system, which is not allowed in a data file; nothing of it was run"
    assert f"error: {message}\n" in result.stderr
    assert f"data/VGAF  CANNOT BE USED: {message}\n" in result.stdout
    assert "data/MOSI  66 utterances" in result.stdout
    assert (tmp_path / "data/MOSI/sertool/corpus.json").is_file()
    assert not (tmp_path / "data/VGAF/sertool").exists()
    assert run("data", code=1).stderr.endswith(f"error: {message}\n")


def test_a_hostile_checkpoint_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.writestr("best50.0_1.pkl", pickle.dumps(Hostile()))
    error = run("mosi-models", "--from", "m.zip", code=1).stderr
    assert "ckpt/MOSI_pretrained/best50.0_1.pkl: " in error
    assert not (tmp_path / "ran").exists()


def test_an_archive_that_leads_outside_is_refused_as_a_whole(tmp_path):
    data_zip(tmp_path / "d.zip", "MOSI", extra={"../evil.txt": b"x"})
    error = run("data", "--from", "d.zip", code=1).stderr
    assert "d.zip" in error
    assert "../evil.txt" in error
    assert not (tmp_path / "evil.txt").exists()
    assert tree(tmp_path / "data") == {".fetched"}


def test_folders_of_others_are_not_replaced_without_force(tmp_path):
    data_zip(tmp_path / "d.zip", "MOSI")
    (tmp_path / "data/MOSI").mkdir(parents=True)
    (tmp_path / "data/MOSI/mine.txt").write_text("mine")
    error = run("data", "--from", "d.zip", code=2).stderr
    assert error.splitlines()[-2:] == [
        "error: data/MOSI: is there already, and it is not from `sertool fetch-data`",
        "  try: --force to replace it, or --dest for another place",
    ]
    assert tree(tmp_path / "data/MOSI") == {"mine.txt"}
    run("data", "--from", "d.zip", "--force")
    assert not (tmp_path / "data/MOSI/mine.txt").exists()
    assert (tmp_path / "data/MOSI/test_mels.p").is_file()


def test_the_first_checksum_is_held_to(tmp_path):
    data_zip(tmp_path / "d.zip", "MOSI")
    first = hashlib.sha256((tmp_path / "d.zip").read_bytes()).hexdigest()
    run("data", "--from", "d.zip")
    data_zip(tmp_path / "d.zip", "MOSI", "IEMOCAP")
    second = hashlib.sha256((tmp_path / "d.zip").read_bytes()).hexdigest()
    error = run("data", "--from", "d.zip", "--force", code=1).stderr
    assert (
        f"d.zip: its SHA-256 is {second}, expected {first}; that was the checksum of the first fetch" in error
    )
    assert "try: if another file is meant from now on, give its checksum with --sha256" in error
    assert not (tmp_path / "data/IEMOCAP").exists()
    run("data", "--from", "d.zip", "--force", "--sha256", second)
    assert (tmp_path / "data/IEMOCAP").is_dir()
    assert read_receipt(receipt_path(Path("data"), "data")).sha256 == second


def test_a_download_is_deleted_when_it_is_unpacked_unless_it_is_to_be_kept(tmp_path, serve):
    folder, address, asked = serve
    data_zip(folder / "data.zip", "MOSI")
    result = run("data", "--from", address, "--json", "r.json")
    assert result.stdout.startswith("data: 736.6 kB from 127.0.0.1\nSHA-256 ")
    assert json.loads(Path("r.json").read_text())[0]["url"] == f"{address}data.zip"
    assert tree(tmp_path / "data") == {".fetched", "MOSI"}
    run("data", "--from", address, "--force", "--keep-archive")
    assert tree(tmp_path / "data") == {".fetched", "MOSI", "data.zip"}
    before = len(asked)
    result = run("data", "--force")
    assert "data: data/data.zip is there and is used" in result.stderr
    assert len(asked) == before
    assert (tmp_path / "data/data.zip").is_file()


def test_a_damaged_download_is_not_met_again(tmp_path, serve):
    folder, address, _ = serve
    whole = data_zip(folder / "data.zip", "MOSI").read_bytes()
    (folder / "data.zip").write_bytes(whole[:-5000])
    error = run("data", "--from", f"{address}data.zip", code=1).stderr
    assert "try: the same command fetches it again" in error
    assert tree(tmp_path / "data") == {".fetched"}
    (folder / "data.zip").write_bytes(whole)
    run("data", "--from", f"{address}data.zip")
    assert (tmp_path / "data/MOSI").is_dir()


def test_an_archive_that_the_user_put_there_is_used_and_stays(tmp_path):
    (tmp_path / "data").mkdir()
    data_zip(tmp_path / "data/data.zip", "MOSI")
    run("data")
    assert tree(tmp_path / "data") == {".fetched", "MOSI", "data.zip"}


def test_dead_links_are_told_with_what_to_do(serve):
    folder, address, _ = serve
    own = Path("own.yaml")
    entry = {
        "about": "x",
        "archive": "x.zip",
        "urls": [f"{address}none.zip", f"{address}also-none.zip"],
        "licence": "x",
        "terms": "x.",
        "unpacks_to": {"X": "corpus"},
    }
    own.write_text(dump_yaml({"format": "sertool-sources/1", "sources": {"x": entry}}))
    error = run("x", "--manifest", "own.yaml", code=1).stderr
    assert f"{address}none.zip" in error
    assert f"{address}also-none.zip" in error
    assert "404" in error
    assert "--from" in error

    checked = run("x", "--manifest", "own.yaml", "--check-links", "--json", "links.json", code=1)
    assert checked.stderr == "error: no address works for x\n"
    assert [row["works"] for row in json.loads(Path("links.json").read_text())] == [False, False]
    (folder / "also-none.zip").write_bytes(b"PK\x03\x04 and so on")
    checked = run("x", "--manifest", "own.yaml", "--check-links")
    assert checked.stdout.count("FAILS") == checked.stdout.count("works") == 1


def test_a_corpus_of_ones_own_by_a_manifest_of_ones_own(tmp_path, serve):
    folder, address, _ = serve
    write_corpus(make_corpus(), tmp_path / "made" / "TINY")
    with zipfile.ZipFile(folder / "tiny.zip", "w") as archive:
        for path in (tmp_path / "made" / "TINY").iterdir():
            archive.write(path, f"TINY/{path.name}")
    source = {
        "about": "a tiny corpus",
        "archive": "tiny.zip",
        "urls": [f"{address}none.zip", f"{address}tiny.zip"],
        "sha256": hashlib.sha256((folder / "tiny.zip").read_bytes()).hexdigest(),
        "size": (folder / "tiny.zip").stat().st_size,
        "licence": "MIT",
        "terms": "None.",
        "unpacks_to": {"TINY": "corpus"},
    }
    Path("own.yaml").write_text(dump_yaml({"format": "sertool-sources/1", "sources": {"tiny": source}}))
    result = run("tiny", "--manifest", "own.yaml")
    assert "data/TINY  48 utterances (train 24, valid 12, test 12)\n" in result.stdout
    assert "no checksum has been published" not in result.stdout


def test_several_go_on_after_one_that_fails(tmp_path):
    data_zip(tmp_path / "data.zip", "MOSI")
    result = run("mosi-models", "data", "--from", str(tmp_path), "--json", "r.json", code=1)
    assert (
        f"error: mosi-models: --from {tmp_path}: there is no file {tmp_path}/MOSI_pretrained.zip\n"
        in result.stderr
    )
    assert (tmp_path / "data/MOSI").is_dir()
    assert [row["name"] for row in json.loads(Path("r.json").read_text())] == ["mosi-models", "data"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dta"], "error: nothing to fetch is called 'dta', did you mean 'data'?\n"),
        (["all", "--sha256", "a" * 64], "error: --sha256: belongs to one archive; give only one name\n"),
        (["data", "--sha256", "xyz"], "error: --sha256 xyz: expected a SHA-256, 64 hexadecimal digits\n"),
        (
            ["all", "--from", "x.zip"],
            "error: --from x.zip: several archives are wanted; give the folder that",
        ),
        (["data", "--from", "x.zip"], "error: --from x.zip: there is no file x.zip\n"),
        (
            ["data", "--from", "ftp://x/y"],
            "error: --from ftp://x/y: expected a file, a folder, or an address",
        ),
        (["data", "--check-links", "--from", "x"], "error: --check-links asks addresses; --from x is none\n"),
        (["data", "--dest", "file"], "error: --dest file: is a file, expected the name of a folder\n"),
        (["data", "--manifest", "none.yaml"], "error: none.yaml: no such file\n"),
    ],
)
def test_mistakes_are_told(arguments, message):
    Path("file").touch()
    result = run(*arguments, code=2)
    assert message in result.stderr
    assert result.stdout == ""


def test_damaged_receipts_are_told(tmp_path):
    data_zip(tmp_path / "d.zip", "MOSI")
    run("data", "--from", "d.zip")
    path = receipt_path(Path("data"), "data")
    content = json.loads(path.read_text())
    for damage in (
        "[]",
        "{",
        json.dumps({**content, "state": "x"}),
        json.dumps({**content, "folders": {"a": {}}}),
    ):
        path.write_text(damage)
        error = run("data", code=1).stderr
        assert f"error: {path}: " in error
    assert "try: delete it; the source is then fetched anew" in error


def test_too_little_space_is_told_before_anything_is_unpacked(tmp_path, monkeypatch):
    data_zip(tmp_path / "d.zip", "MOSI")
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("sertool.core.fetch.fetch.shutil.disk_usage", lambda _: usage)
    error = run("data", "--from", "d.zip", code=1).stderr
    assert "are needed to unpack and convert, 0.0 GB are free" in error
    assert tree(tmp_path / "data") == {".fetched"}


CHILD = """
import os, signal, sys
from pathlib import Path
from sertool.core.fetch.download import Policy
from sertool.core.fetch.fetch import Request, fetch
from sertool.core.fetch.sources import load_sources
from sertool.core.files import artifacts
from sertool.core.fetch import fetch as fetching

left = int(sys.argv[2])
def moment(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

rename, write = Path.rename, fetching.write_receipt
def renamed(path, target):
    moment(); result = rename(path, target); moment(); return result
def written(path, receipt):
    moment(); write(path, receipt); moment()
Path.rename, fetching.write_receipt = renamed, written
fetch(Request("data", load_sources()["data"], Path("data"), origin=sys.argv[1]), moment, Policy())
print(left)
"""


@pytest.mark.slow
def test_killed_at_any_step_it_goes_on_and_ends_right(tmp_path, serve):
    folder, address, _ = serve
    data_zip(folder / "data.zip", "MOSI", "IEMOCAP", "MELD")

    def child(origin: str, moment: int) -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", CHILD, origin, str(moment)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    steps = 10**6 - int(child(f"{address}data.zip", 10**6).stdout)
    assert steps > 20
    expected = {path.relative_to(tmp_path / "data") for path in (tmp_path / "data").rglob("*")}
    for moment in range(1, steps + 1, 2):
        subprocess.run(["rm", "-rf", "data"], cwd=tmp_path, check=True)
        killed = child(f"{address}data.zip", moment)
        assert killed.returncode == -9
        # What has its final name is whole already.
        for name in ("MOSI", "IEMOCAP", "MELD"):
            if (tmp_path / "data" / name).exists():
                assert (tmp_path / "data" / name / "sertool" / "fingerprint.json").is_file()
        fetched = fetch(
            Request("data", load_sources()["data"], tmp_path / "data", f"{address}data.zip"),
            lambda _: None,
            QUICK,
        )
        assert set(fetched.receipt.folders) == {"MOSI", "IEMOCAP", "MELD"}
        assert fetched.receipt.url == f"{address}data.zip"
        assert {path.relative_to(tmp_path / "data") for path in (tmp_path / "data").rglob("*")} == expected


def test_two_processes_do_not_get_in_each_others_way(tmp_path):
    data_zip(tmp_path / "d.zip", "MOSI")
    code = CHILD.replace("os.kill(os.getpid(), signal.SIGKILL)", "print('in', flush=True); input()")
    other = subprocess.Popen(
        [sys.executable, "-c", code, "d.zip", "2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "in\n"
    error = run("data", "--from", "d.zip", code=1).stderr
    assert "error: data is being fetched into data by another process\n" in error
    other.communicate("\n")
    assert other.returncode == 0
    assert run("data").stdout.startswith("data: is already there")


def test_tell_is_given_every_stage(tmp_path):
    data_zip(tmp_path / "d.zip", "MOSI")
    stages = []
    fetch(
        Request("data", load_sources()["data"], tmp_path / "data", "d.zip"),
        lambda step: stages.append((step.stage, step.done, step.total)),
        QUICK,
    )
    assert [stage for stage, _, _ in stages][-2:] == ["reading MOSI", "reading MOSI"]
    unpacked = [(done, total) for stage, done, total in stages if stage == "unpack"]
    assert unpacked[-1][0] == unpacked[-1][1] > 0


def test_a_text_file_as_archive(tmp_path):
    (tmp_path / "d.zip").write_bytes(b"<!DOCTYPE html><title>Sign in</title>")
    with pytest.raises(DataError, match=r"d\.zip"):
        fetch(Request("data", load_sources()["data"], tmp_path / "data", "d.zip"), lambda _: None, QUICK)
    (tmp_path / "e.zip").write_bytes(io.BytesIO(b"no archive").getvalue())
    with pytest.raises(DataError, match=r"e\.zip"):
        fetch(Request("data", load_sources()["data"], tmp_path / "data", "e.zip"), lambda _: None, QUICK)
