"""fetch-data from an archive to folders that can be used, with every kind of source."""

import csv
import hashlib
import json
import tarfile
import zipfile
from pathlib import Path

import pytest
from builders import REFERENCE, make_corpus
from fetched_archives import CORPORA, QUICK, add_corpus, data_zip, run, tree
from typer.testing import CliRunner
from vocab_folders import write_vocab

from sertool.cli import app
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.fetch.fetch import Request, fetch, state_of
from sertool.core.fetch.sources import load_sources
from sertool.core.files.yaml_file import dump_yaml


def models_zip(path: Path, prefix: str = "IEMOCAP_pretrained/") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for checkpoint in (REFERENCE / "iemocap-mat" / "ckpt" / "ref").glob("*.pkl"):
            archive.write(checkpoint, f"{prefix}{checkpoint.name}")
    return path


def test_the_list(tmp_path):
    result = run("--json", "list.json")
    assert result.stdout.splitlines()[0].split() == ["name", "here", "what"]
    assert result.stdout.endswith("sertool fetch-data NAME downloads one of them, --check-links tries the addresses\n")
    rows = {row["name"]: row for row in json.loads(Path("list.json").read_text())["sources"]}
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
    row = json.loads(Path("result.json").read_text())["sources"][0]
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
        rows = {row["name"]: row["state"] for row in json.loads(Path("list.json").read_text())["sources"]}
        assert rows.pop("emodb") == ("no" if left.endswith("lock") else "begun")
        states.append(rows)
    assert states[-1] == dict.fromkeys(states[0], "no")


def test_what_is_fetched_trains_and_evaluates(tmp_path):
    data_zip(tmp_path / "data.zip", "IEMOCAP", prefix="")
    models_zip(tmp_path / "IEMOCAP_pretrained.zip")
    result = run("data", "iemocap-models", "--from", str(tmp_path))
    assert "ckpt/IEMOCAP_pretrained  2 models, best validation accuracy 78.3" in result.stdout
    assert "next: sertool ensemble --name IEMOCAP_pretrained --split test\n" in result.stdout
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
    assert "m.zip: the archive holds no IEMOCAP or MOSI or MOSEI or MELD or VGAF (it holds photo.jpg)" in error


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
    assert f"error: mosi-models: --from {tmp_path}: there is no file {tmp_path}/MOSI_pretrained.zip\n" in result.stderr
    assert (tmp_path / "data/MOSI").is_dir()
    assert [row["name"] for row in json.loads(Path("r.json").read_text())["sources"]] == ["mosi-models", "data"]


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
