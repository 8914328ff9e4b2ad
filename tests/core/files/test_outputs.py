"""Files that a user wants written: nothing is replaced that is no old result, and a path leads to where it should."""

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from sertool.core.errors import SertoolError, UsageError
from sertool.core.files.outputs import check_inputs, check_name, check_outputs, is_stdout, write_output

CONTENT = b"result\n"


def node(path: Path, minor: int) -> Path:
    """A device of one's own: 3 takes all and keeps nothing, 7 is always full."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, minor))
        path.read_bytes() if minor == 3 else None
    except OSError:
        pytest.skip("only root may make a device, and only where devices are allowed")
    return path


def refused(message: str, outputs: dict[str, Path], inputs: tuple[Path, ...] = ()) -> None:
    def check() -> None:
        check_outputs(outputs)
        check_inputs(outputs, inputs)

    with pytest.raises(UsageError, match=message):
        check()


def test_a_device_is_written_through_and_stays(tmp_path):
    null = node(tmp_path / "null", 3)
    check_outputs({"--json": null, "--csv": null})  # it keeps nothing, so nothing is replaced
    write_output(null, CONTENT)
    assert stat.S_ISCHR(null.stat().st_mode)
    assert null.read_bytes() == b""
    assert list(tmp_path.iterdir()) == [null]


def test_a_full_device_is_one_message(tmp_path):
    full = node(tmp_path / "full", 7)
    with pytest.raises(SertoolError, match="no space left"):
        write_output(full, CONTENT)
    assert stat.S_ISCHR(full.stat().st_mode)


def test_a_pipe_is_written_through_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_outputs({"--json": pipe})
    writer = threading.Thread(target=write_output, args=(pipe, CONTENT))
    writer.start()
    assert pipe.read_bytes() == CONTENT
    writer.join()
    assert pipe.is_fifo()


def test_a_socket_is_written_through_and_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        server.listen()
        check_outputs({"--json": Path("s")})
        write_output(Path("s"), CONTENT)
        with server.accept()[0] as connection:
            assert connection.recv(100) == CONTENT
    assert Path("s").is_socket()
    with pytest.raises(SertoolError, match=r"^s: cannot be written \(Connection refused\)"):
        write_output(Path("s"), CONTENT)  # nobody listens any more


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_followed(tmp_path, there):
    target, link = tmp_path / "far/target", tmp_path / "near/link"
    target.parent.mkdir()
    link.parent.mkdir()
    if there:
        target.write_text("old")
    link.symlink_to("../far/target")
    check_outputs({"--json": link})
    write_output(link, CONTENT)
    assert link.is_symlink()
    assert target.read_bytes() == CONTENT


def test_a_loop_of_links_is_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    refused(r"--json .*a: cannot be written \(", {"--json": tmp_path / "a"})


@pytest.mark.parametrize(
    ("name", "reason"),
    [("file/x", "is not a folder"), ("file/x/y", "is not a folder"), ("x" * 300, "File name too long"), ("a\0b", "")],
)
def test_a_path_that_cannot_be_written_is_refused_before_any_work(tmp_path, name, reason):
    (tmp_path / "file").touch()
    refused(rf"cannot be written \(.*{reason}", {"--json": tmp_path / name})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused_before_any_work(tmp_path):
    tmp_path.chmod(0o500)
    refused("no permission to write into", {"--json": tmp_path / "new/x"})


@pytest.mark.parametrize("path", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_has_several_names(path):
    assert is_stdout(Path(path))
    assert not is_stdout(Path("/dev/stderr"))
    refused("is the same place as --csv -", {"--csv": Path("-"), "--json": Path(path)})
    check_inputs({"--json": Path(path)}, [Path(path)])  # a terminal may be both


def test_the_file_that_standard_output_goes_to_is_standard_output(tmp_path, capfd):
    with capfd.disabled(), (tmp_path / "x").open("wb") as file:
        own = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            found = is_stdout(tmp_path / "x"), is_stdout(tmp_path / "y")
        finally:
            os.dup2(own, 1)
            os.close(own)
    assert found == (True, False)


@pytest.mark.parametrize("folder", ["/proc/self/fd", "/dev/fd"])
def test_an_open_descriptor_is_written_on(tmp_path, folder):
    with (tmp_path / "x").open("wb", buffering=0) as file:
        file.write(b"before ")
        path = Path(folder, str(file.fileno()))
        check_outputs({"--json": path})
        write_output(path, CONTENT)
        file.write(b"after")
    assert (tmp_path / "x").read_bytes() == b"before result\nafter"
    with pytest.raises(SertoolError, match="Bad file descriptor"):
        write_output(path, CONTENT)  # it is closed now


def spellings(path: Path) -> dict[str, Path]:
    """Other names of one file."""
    path.parent.joinpath("link").symlink_to(path.name)
    path.parent.joinpath("hard").hardlink_to(path)
    path.parent.joinpath("sub").mkdir()
    path.parent.joinpath("folder").symlink_to(".")
    found = {name: path.parent / name for name in ("link", "hard", "sub/../t.csv", "folder/t.csv", "./t.csv")}
    return {**found, "relative": Path(os.path.relpath(path))}


def test_an_output_under_any_name_of_an_input_is_refused(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("text\nhello\n")
    for other in spellings(table).values():
        refused("this command reads it as .*t.csv, and would replace it", {"--csv": other}, (table,))
        refused("is the same place as --csv .*t.csv", {"--csv": table, "--json": other})
    check_outputs({"--csv": tmp_path / "new.csv", "--json": tmp_path / "new.json"})
    check_inputs({"--csv": tmp_path / "new.csv"}, [table, tmp_path / "missing", Path("a\0b")])
    assert table.read_text() == "text\nhello\n"


def test_two_outputs_that_do_not_exist_yet_are_compared_too(tmp_path):
    (tmp_path / "link").symlink_to("new")
    (tmp_path / "sub").mkdir()
    for other in ("new", "link", "sub/../new"):
        refused("one would replace the other", {"--csv": tmp_path / "new", "--json": tmp_path / other})


def test_an_output_in_a_folder_that_is_written_is_refused(tmp_path):
    refused(
        "lies in --out .*bundle, into which this command writes other results",
        {
            "--out": tmp_path / "bundle",
            "--json": tmp_path / "bundle/new/x.json",
        },
    )
    check_outputs({"--out": tmp_path / "bundle", "--json": tmp_path / "bundle.json"})
    check_outputs({"--out": tmp_path, "--json": Path("-")})


def test_a_file_of_a_folder_that_is_read_is_kept(tmp_path):
    run = tmp_path / "ckpt/a"
    run.mkdir(parents=True)
    (run / "recipe.yaml").touch()
    (tmp_path / "link").symlink_to(run)
    for path in (run / "recipe.yaml", tmp_path / "link/recipe.yaml", run / "../a/recipe.yaml"):
        refused("would replace a file of .*, which this command reads", {"--json": path}, (run,))
    check_inputs({"--json": run / "new.json"}, [run])


@pytest.mark.parametrize(
    "name", ["caf\udce9", "a\x1b[31m", "a\nb", "a\tb", "a\x7f", "\u202eab", "a\u2028b", "x/\x1b/y"]
)
def test_a_folder_whose_name_cannot_be_shown_is_refused(name):
    with pytest.raises(UsageError, match=r"^--out [ -~]+: expected text in UTF-8 without control and direction signs$"):
        check_name("--out", Path(name))


@pytest.mark.parametrize("name", ["café", "感情", "a b", "../x/y", "/tmp/é", "👍🏽", "ناراحت"])
def test_a_folder_may_have_a_name_in_any_script(name):
    check_name("--out", Path(name))
