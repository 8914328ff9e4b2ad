"""fetch-data refuses hostile archives, wrong checksums, foreign folders, and mistakes on the command line."""

import gzip
import hashlib
import io
import json
import pickle
import zipfile
from pathlib import Path

import pytest
from builders import REFERENCE
from fetched_archives import QUICK, add_corpus, data_zip, run, tree

from sertool.core.errors import DataError
from sertool.core.fetch.fetch import Request, fetch
from sertool.core.fetch.receipts import read_receipt, receipt_path
from sertool.core.fetch.sources import load_sources
from sertool.core.files.yaml_file import dump_yaml


def test_the_published_checksum_of_the_vectors_is_held_to(tmp_path):
    (tmp_path / "v.tar.gz").write_bytes(gzip.compress(b""))
    error = run("vectors", "--from", "v.tar.gz", code=1).stderr
    digest = hashlib.sha256((tmp_path / "v.tar.gz").read_bytes()).hexdigest()
    assert f"error: v.tar.gz: its SHA-256 is {digest}, expected 839c177a60" in error
    assert "  try: it is damaged or another file; --sha256 says which one is meant\n" in error


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
        "error: data/MOSI: already exists, and `sertool fetch-data` did not make it",
        "  try: --force to replace it, or --out for another place",
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
    assert f"d.zip: its SHA-256 is {second}, expected {first}; that was the checksum of the first fetch" in error
    assert "try: if another file is meant from now on, give its checksum with --sha256" in error
    assert not (tmp_path / "data/IEMOCAP").exists()
    run("data", "--from", "d.zip", "--force", "--sha256", second)
    assert (tmp_path / "data/IEMOCAP").is_dir()
    assert read_receipt(receipt_path(Path("data"), "data")).sha256 == second


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
    assert [row["works"] for row in json.loads(Path("links.json").read_text())["sources"]] == [False, False]
    (folder / "also-none.zip").write_bytes(b"PK\x03\x04 and so on")
    checked = run("x", "--manifest", "own.yaml", "--check-links")
    assert checked.stdout.count("FAILS") == checked.stdout.count("works") == 1


def test_the_papers_corpora_have_another_way_where_the_link_is_dead(serve):
    _, address, _ = serve
    entry = load_sources()["data"].model_dump() | {"urls": [f"{address}data.zip"]}
    Path("own.yaml").write_text(dump_yaml({"format": "sertool-sources/1", "sources": {"data": entry}}))
    ways = (
        "the corpora from their owners serve as well (docs/corpora.md):\n"
        "  sertool prepare IEMOCAP_full_release --layout iemocap --recipe iemocap --out elsewhere/IEMOCAP\n"
        "  sertool prepare CMU_MOSI --layout mosi --recipe mosi --out elsewhere/MOSI\n"
        "  sertool prepare CMU_MOSEI --layout mosei --recipe mosei-2 --out elsewhere/MOSEI\n"
        "  sertool prepare MELD.Raw --layout meld --recipe meld --out elsewhere/MELD\n"
    )
    error = run("data", "--manifest", "own.yaml", "--out", "elsewhere", code=1).stderr
    assert f"data.zip: the server answered 404 (Not Found)\n  {ways}  try: download it in a browser" in error
    error = run("data", "--manifest", "own.yaml", "--check-links", "--out", "elsewhere", code=1).stderr
    assert error == f"error: no address works for data\n  {ways}"


def test_an_archive_that_is_damaged_is_no_dead_link(tmp_path):
    (tmp_path / "data.zip").write_bytes(b"not an archive")
    assert "docs/corpora.md" not in run("data", "--from", "data.zip", code=1).stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dta"], "error: no source is called 'dta', did you mean 'data'?\n"),
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
        (
            ["data", "--check-links", "--from", "x"],
            "error: --check-links checks addresses; --from x is not one\n",
        ),
        (["data", "--dest", "file"], "error: --out file: is a file, expected the name of a folder\n"),
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


def test_a_text_file_as_archive(tmp_path):
    (tmp_path / "d.zip").write_bytes(b"<!DOCTYPE html><title>Sign in</title>")
    with pytest.raises(DataError, match=r"d\.zip"):
        fetch(Request("data", load_sources()["data"], tmp_path / "data", "d.zip"), lambda _: None, QUICK)
    (tmp_path / "e.zip").write_bytes(io.BytesIO(b"no archive").getvalue())
    with pytest.raises(DataError, match=r"e\.zip"):
        fetch(Request("data", load_sources()["data"], tmp_path / "data", "e.zip"), lambda _: None, QUICK)
