"""``sertool fetch-data``: download corpora, released models and word vectors, and check them."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.console import RenderableType
from rich.table import Table as Grid

from sertool.commands import _options as options
from sertool.commands._console import console, fetching, say
from sertool.commands._options import option
from sertool.commands._originals import from_originals
from sertool.commands._outputs import Outputs
from sertool.core.command_line import DATA, OUTPUT, command_line, run_command
from sertool.core.formatting import readable_size

if TYPE_CHECKING:
    from sertool.core.fetch.fetch import Fetched, Request
    from sertool.core.fetch.sources import Source

# Rows for --json, sources that failed, and what is shown on standard output.
Done = tuple[list[dict[str, Any]], list[str], list[RenderableType]]


def fetch_data(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="What to download, or all. Without a name: show the list."),
    ] = None,
    out: Annotated[
        Path | None, option("--out", "Folder to write to. Default: data, or ckpt for models.", "DIR", ("--dest",))
    ] = None,
    from_: Annotated[
        str | None,
        option("--from", "Take the archive from this path or address instead.", "PATH|URL"),
    ] = None,
    sha256: Annotated[str | None, option("--sha256", "SHA-256 checksum that the archive must have.", "HEX")] = None,
    manifest: Annotated[
        list[Path] | None,
        option("--manifest", "File with sources of your own; can be repeated.", "FILE.yaml"),
    ] = None,
    check_links: Annotated[bool, option("--check-links", "Only check that the addresses work.")] = False,
    force: Annotated[bool, option("--force", "Replace what is already there.")] = False,
    keep_archive: Annotated[bool, option("--keep-archive", "Keep the archive after unpacking it.")] = False,
    json: options.Json = None,
) -> None:
    """Download corpora, released models and word vectors.

    Run the same command again to resume an interrupted download. Downloaded files are never executed: archives are
    checked while they are unpacked, and pickles are read by a reader that accepts only plain data, then kept in
    sertool's own format.
    """
    from sertool.core.errors import SertoolError
    from sertool.core.fetch.sources import find_sources, load_sources
    from sertool.core.files.outputs import check_name

    if out is not None:
        check_name("--out", out)
    given = [Path(from_)] if from_ is not None and Path(from_).is_file() else []
    files = Outputs({"--json": json}, [*(manifest or ()), *given])
    sources = load_sources(manifest or [])
    # Without a name nothing is downloaded, but links can be checked.
    wanted = find_sources(names or (["all"] if check_links else []), sources)
    if check_links:
        rows, failed, shown = _check(wanted, from_, out)
    elif wanted:
        requests = _requests(wanted, out, from_, sha256, force, keep_archive)
        files.spare(request.dest / folder for request in requests for folder in request.source.unpacks_to)
        rows, failed, shown = _fetch_all(requests)
    else:
        rows, failed = _states(sources, out), []
        shown = [_grid(rows), "sertool fetch-data NAME downloads one of them, --check-links tries the addresses"]
    files.write_json("--json", "sources", {"sources": rows})
    for one in shown:
        files.console().print(one, soft_wrap=isinstance(one, str))
    files.show()
    if failed:
        raise SertoolError("\n  ".join(failed))


def _requests(
    wanted: Mapping[str, "Source"],
    dest: Path | None,
    origin: str | None,
    sha256: str | None,
    force: bool,
    keep_archive: bool,
) -> list["Request"]:
    from sertool.core.errors import UsageError
    from sertool.core.fetch.fetch import Request
    from sertool.core.fetch.sources import checksum

    if sha256 is not None:
        if len(wanted) > 1:
            raise UsageError("--sha256: belongs to one archive; give only one name")
        try:
            sha256 = checksum(sha256)
        except ValueError as error:
            raise UsageError(f"--sha256 {sha256}: {error}") from error
    if origin is not None and len(wanted) > 1 and not origin.endswith("/") and not Path(origin).is_dir():
        raise UsageError(
            f"--from {origin}: several archives are wanted; give the folder that holds them, or an address that "
            "ends in a slash"
        )
    return [
        Request(name, source, _dest(source, dest), origin, sha256, force, keep_archive)
        for name, source in wanted.items()
    ]


def _dest(source: "Source", dest: Path | None) -> Path:
    return dest or (OUTPUT if source.holds_models else DATA)


def _fetch_all(requests: list["Request"]) -> Done:
    """Fetch one after the other; a failure does not stop the next one."""
    from sertool.core.errors import SertoolError
    from sertool.core.fetch.download import NoAddressError, Policy
    from sertool.core.fetch.fetch import fetch

    talk = console()
    rows: list[dict[str, Any]] = []
    failed: list[str] = []
    shown: list[RenderableType] = []
    for request in requests:
        source = request.source
        for line in (f"{request.name} · {source.about}", f"licence: {source.licence}. {source.terms}"):
            say(talk, line)
        try:
            with fetching(request.name) as tell:
                fetched = fetch(request, tell, Policy())
        except SertoolError as error:
            instead = from_originals(source, request.dest) if isinstance(error, NoAddressError) else ""
            if len(requests) == 1:  # nothing else to fetch: the usual error message, with its hint
                if not instead:
                    raise
                raise NoAddressError(f"{error}{instead}", hint=error.hint) from error
            hint = f" (try: {error.hint})" if error.hint else ""
            failed.append(f"{request.name}: {error}{instead}{hint}")
            rows.append({"name": request.name, "state": "failed", "error": str(error), "hint": error.hint})
            continue
        failed += fetched.problems
        rows.append(_row(request, fetched))
        shown += show(request, fetched)
    return rows, failed, shown


def _row(request: "Request", fetched: "Fetched") -> dict[str, Any]:
    return {
        "name": request.name,
        "dest": str(request.dest),
        "new": fetched.new,
        "missing": list(fetched.missing),
        "problems": fetched.problems,
        **asdict(fetched.receipt),
    }


def show(request: "Request", fetched: "Fetched") -> list[str]:
    """Format what was fetched and the next command as lines."""
    receipt = fetched.receipt
    if fetched.new:
        lines = [
            f"{request.name}: {readable_size(receipt.size)} from {urlsplit(receipt.url).hostname or receipt.url}",
            f"SHA-256 {receipt.sha256}",
        ]
    else:
        lines = [f"{request.name}: is already there, fetched on {receipt.fetched:.10} (--force fetches it again)"]
    if fetched.first:
        lines.append("no checksum has been published: this one is kept, and later downloads must have it too")
    width = max(len(str(request.dest / name)) for name in receipt.folders)  # aligns what follows the paths
    for name, folder in receipt.folders.items():
        what = folder.text or f"CANNOT BE USED: {folder.problem}"
        lines.append(f"{request.dest / name!s:<{width}}  {what}")
    if fetched.missing:
        lines.append(f"not in the archive: {', '.join(fetched.missing)}")
    # One command is enough as an example, also where an archive holds several folders.
    usable = [name for name, folder in receipt.folders.items() if folder.problem is None]
    return lines + [_next(request, name) for name in usable[:1]]


def _next(request: "Request", name: str) -> str:
    """Return a line with the command that uses a fetched folder, or with its use where there is no such command."""
    from sertool.core.doctor.locate import doctor_command, recipe_for
    from sertool.core.prepare.emodb import TABLE_OF_FOUR

    kind, folder = request.source.unpacks_to[name], request.dest / name
    if kind == "models":
        if not _has_corpus(folder):
            return "next: sertool fetch-data data"
        return f"next: {run_command('ensemble', folder, '--split', 'test')}"
    if kind == "emodb":
        corpus = DATA / "EMODB"
        command = command_line("prepare", folder / TABLE_OF_FOUR, "--out", corpus, "--recipe", "emodb")
        return f"next: {command}"
    if kind == "vectors":
        return f"recipes that use {name} find it with --data {request.dest}"
    if kind == "files":
        return f"the files are in {folder}"
    return f"next: {doctor_command(recipe_for(folder), (), name, folder)}"


def _has_corpus(folder: Path) -> bool:
    """Check whether the corpus that released models belong to is in the data folder."""
    from sertool.core.corpora.load import corpus_folder
    from sertool.core.errors import SertoolError
    from sertool.core.files.reference_checkpoints import list_checkpoints, read_checkpoint
    from sertool.core.runs.reference import recipe_of

    try:
        return corpus_folder(recipe_of(read_checkpoint(list_checkpoints(folder)[0])).dataset.path, DATA).is_dir()
    except SertoolError:
        return False


def _states(sources: Mapping[str, "Source"], dest: Path | None) -> list[dict[str, Any]]:
    """List all sources and which of them are here."""
    from sertool.core.fetch.fetch import state_of

    return [
        {
            "name": name,
            "state": state_of(name, source, _dest(source, dest)),
            "dest": str(_dest(source, dest)),
            **source.model_dump(),
        }
        for name, source in sources.items()
    ]


def _grid(rows: list[dict[str, Any]]) -> Grid:
    grid = Grid(box=None, padding=(0, 2, 0, 0))
    for title in ("name", "here", "what"):
        grid.add_column(title, no_wrap=title != "what")
    for row in rows:
        grid.add_row(row["name"], row["state"], f"{row['about']}. Licence: {row['licence']}")
    return grid


def _check(wanted: Mapping[str, "Source"], origin: str | None, out: Path | None) -> Done:
    """Check all addresses; a source fails if none of its addresses works."""
    from sertool.core.fetch.download import Policy
    from sertool.core.fetch.obtain import links

    rows, working = [], set()
    shown: list[RenderableType] = []
    width = max(map(len, wanted))
    for name, link in links(wanted, origin, Policy()):
        shown.append(f"{name:<{width}}  {'works' if link.works else 'FAILS'}  {link.detail}")
        shown.append(f"{'':<{width}}  {link.url}")
        rows.append({"name": name, **asdict(link)})
        if link.works:  # one mirror is enough
            working.add(name)
    failed = [name for name in wanted if name not in working]
    instead = "".join(from_originals(wanted[name], _dest(wanted[name], out)) for name in failed)
    return rows, [f"no address works for {', '.join(failed)}{instead}"] if failed else [], shown
