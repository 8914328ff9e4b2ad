"""Human-readable text: outside text made safe, plurals, sizes, short lists, wrapped lines, aligned columns."""

import math
import re
import textwrap
from collections.abc import Iterable, Sequence

LINES = 20  # lines of a list that are shown
INTERVAL = "95 %"  # header of a column that belongs to the one before it
LONGEST_NAME = 60  # characters of a name in a message
GAP = 2  # columns between cells
SHORTEST = 10  # columns that remain of a name that is cut
FIGURE = frozenset("0123456789+-<")  # first characters of a cell that is a figure
# Keeps words together on one line. Terminal text from outside never holds it: printable() spells it out.
HARD_SPACE = "\N{NO-BREAK SPACE}"

# Signs that a terminal or a browser obeys instead of showing them: control signs but for the line end, marks of
# direction, separators of lines, notes between lines, invisible tags; and halves of a character.
_UNSAFE = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f"
    r"\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)

# What Markdown takes for its own; & for entities; ~ $ # @ for GitHub: strikethrough, formulas, issues, mentions.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|~&$#@])")

Row = Sequence[str]


def unicode_only(text: str) -> str:
    r"""Replace what UTF-8 cannot hold by ``?``: half a character, or a byte of a command line that was no UTF-8.

    >>> unicode_only("caf\udce9")
    'caf?'
    """
    return text.encode(errors="replace").decode()


def escaped(text: str) -> str:
    r"""Spell out what a terminal or a browser would obey: control, escape and direction signs; line ends stay.

    >>> print(escaped("a\x1b[31m\tb\u202e"))
    a\x1b[31m\tb\u202e
    """
    return _UNSAFE.sub(lambda found: repr(found[0])[1:-1], text)


def printable(text: str) -> str:
    r"""Put a text on one line that any terminal and file takes: characters that do not print are spelled out.

    >>> printable("a\tb\x1b")
    'a\\tb\\x1b'
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def in_markdown(text: str) -> str:
    r"""Escape a text for one line of Markdown, which shows it unchanged: it ends no table, is no tag and no link.

    >>> print(in_markdown("a|b"))
    a\|b
    """
    return _MARKDOWN.sub(r"\\\1", printable(text))


def one_message(text: str) -> str:
    r"""Spell out the line ends that came from outside with an id or a path: our own are followed by two spaces.

    >>> print(one_message("t.csv: 1 problem\n  row 2: no such file: a\nerror: b"))
    t.csv: 1 problem
      row 2: no such file: a\nerror: b
    """
    return re.sub(r"\n(?!  )", r"\\n", text)


def plural(number: float, one: str, many: str = "") -> str:
    """Write a number with its noun.

    >>> plural(1, "utterance"), plural(1085, "utterance"), plural(2, "copy", "copies"), plural(0.5, "GPU")
    ('1 utterance', '1,085 utterances', '2 copies', '0.5 GPU')
    """
    return f"{number:,.15g} {one if 0 < number <= 1 else many or one + 's'}"


def share(part: int, whole: int) -> str:
    """Write a part in percent of the whole.

    >>> share(30, 1085), share(1, 1085)
    ('3 % of 1,085', 'under 1 % of 1,085')
    """
    percent = 100 * part / max(whole, 1)
    return f"{percent:.0f} % of {whole:,}" if percent >= 1 else f"under 1 % of {whole:,}"


def in_range(value: float, low: float, high: float) -> str:
    """Write a value with as many decimals as three significant digits of its range have.

    >>> in_range(3.4159, 1, 5), in_range(-0.004, -1, 1), in_range(57.31, 0, 100)
    ('3.42', '0.00', '57.3')
    """
    decimals = 3 - math.ceil(math.log10(high - low))
    return f"{value:z.{min(max(decimals, 0), 12)}f}"


def readable_size(size: float) -> str:
    """Write a number of bytes in decimal units.

    >>> readable_size(12_345_678)
    '12.3 MB'
    """
    if size < 1000:
        return f"{size:.0f} bytes"
    value = float(size)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.95:  # larger values would round to "1000.0"
            return f"{value:.1f} {unit}"
    return f"{value / 1000:.1f} TB"


def first_few(items: Iterable[str], limit: int = 5) -> str:
    r"""List the first items in a sentence and say how many more there are; a line end in one is spelled out.

    >>> first_few("abcdefgh")
    'a, b, c, d, e and 3 more'
    """
    items = [_on_one_line(item) for item in items]
    more = len(items) - limit
    return ", ".join(items[:limit]) + (f" and {more} more" if more > 0 else "")


def names_of(names: Iterable[str]) -> str:
    """List names that stand in a file in a sentence: a file may hold any number of them, each of any length.

    >>> names_of(["happy", "sad"]), names_of([])
    ('happy, sad', 'none')
    """
    return first_few((cut(name, LONGEST_NAME) for name in names), LINES) or "none"


def first_lines(lines: list[str], total: int | None = None) -> list[str]:
    """Return the first 20 lines and one that says how many more there are; ``total``, where not all are given."""
    more = (len(lines) if total is None else total) - LINES
    return [_on_one_line(line) for line in lines[:LINES]] + ([f"... and {more:,} more"] if more > 0 else [])


def problem_list(origin: object, lines: list[str], total: int | None = None) -> str:
    """List the first 20 problems below the file that has them; ``total`` is their number where not all are given.

    >>> print(problem_list("x.csv", ["row 2: no such file", "row 3: end is not after start"]))
    x.csv: 2 problems
      row 2: no such file
      row 3: end is not after start
    """
    number = plural(len(lines) if total is None else total, "problem")
    return "\n  ".join([f"{_on_one_line(str(origin))}: {number}", *first_lines(lines, total)])


def _on_one_line(text: str) -> str:
    return text.replace("\n", r"\n")


def row_numbers(rows: Sequence[int | None]) -> str:
    """Name rows of a table by their numbers; None stands for an utterance that is no row of a table.

    >>> row_numbers([3]), row_numbers([3, 5]), row_numbers([None, None])
    ('row 3', 'rows 3, 5', '2 utterances')
    """
    if None in rows:
        return plural(len(rows), "utterance")
    return ("row " if len(rows) == 1 else "rows ") + first_few(map(str, rows), 10)


def cut(text: str, width: int, *, keep_end: bool = False) -> str:
    """Cut a text that is longer than ``width``: its end, or with ``keep_end`` its beginning.

    >>> cut("speaker", 5), cut("speaker", 5, keep_end=True)
    ('spea…', '…aker')
    """
    if len(text) <= width:
        return text
    kept = max(width - 1, 0)
    return "…" + text[len(text) - kept :] if keep_end else text[:kept] + "…"


def wrapped(text: str, width: int | None, indent: str = "  ", first: str = "") -> list[str]:
    """Divide a text into lines of at most ``width``, between words only; words joined by HARD_SPACE stay together.

    Args:
        text: one paragraph.
        width: width of the terminal; None: one line.
        indent: put before every line but the first.
        first: put before the first line.
    """
    if width is None:
        return [first + text.replace(HARD_SPACE, " ")]
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(HARD_SPACE, " ") for line in lines]


def aligned(header: Row, rows: Sequence[Row], width: int | None = None, fixed: int = 1) -> list[str]:
    """Format a table. Columns that do not fit go into another block below, which repeats the first ones.

    Args:
        header: name of each column.
        rows: rows with one cell for each column.
        width: width of the terminal; None: nothing is divided and nothing cut.
        fixed: number of columns that are repeated; the first is cut where it leaves no room for another one.
    """
    grid = [[printable(cell) for cell in row] for row in (header, *rows)]
    columns = [list(column) for column in zip(*grid, strict=True)]
    columns[0] = _shortened(columns, width, fixed)
    lines: list[str] = []
    for block in _blocks(columns, width, fixed):
        lines += [*([""] if lines else []), *padded(_filled(block, fixed))]
    return lines


def padded(columns: Sequence[Row], *, named: bool = True) -> list[str]:
    """Format columns, header first, as lines: figures to the right, words to the left.

    Args:
        columns: the cells of each column, all of one length.
        named: the first column holds names, which go to the left even where all look like figures.

    >>> padded([["", "neutral", "all"], ["train", "40", "1,085"]])
    ['         train', 'neutral     40', 'all      1,085']
    """
    widths = [max(map(len, column)) for column in columns]
    right = [all(not cell or cell[0] in FIGURE for cell in column[1:]) for column in columns]
    right[0] = right[0] and not named
    return [
        (" " * GAP)
        .join(
            cell.rjust(size) if figures else cell.ljust(size)
            for cell, size, figures in zip(row, widths, right, strict=True)
        )
        .rstrip()
        for row in zip(*columns, strict=True)
    ]


def total_width(columns: Sequence[Row]) -> int:
    """Return the width of columns with the gaps between them."""
    return sum(max(map(len, column)) for column in columns) + GAP * (len(columns) - 1)


def _shortened(columns: list[list[str]], width: int | None, fixed: int) -> list[str]:
    """Cut the names so that they, the other repeated columns and the widest of the rest fit."""
    if width is None:
        return columns[0]
    rest = max((total_width(group) for group in _groups(columns[fixed:])), default=-GAP)
    room = width - rest - GAP - sum(total_width([column]) + GAP for column in columns[1:fixed])
    return [cut(name, max(room, SHORTEST)) for name in columns[0]]


def _groups(columns: list[list[str]]) -> list[list[list[str]]]:
    """Group the columns that stay together: a figure with its interval."""
    groups: list[list[list[str]]] = []
    for column in columns:
        if column[0] == INTERVAL and groups:
            groups[-1].append(column)
        else:
            groups.append([column])
    return groups


def _blocks(columns: list[list[str]], width: int | None, fixed: int) -> list[list[list[str]]]:
    """Divide the columns into blocks that fit, each with the repeated columns."""
    head = columns[:fixed]
    blocks = [list(head)]
    for group in _groups(columns[fixed:]):
        # A block takes at least one group, so that a terminal too narrow for anything still ends the loop.
        if width is not None and len(blocks[-1]) > fixed and total_width([*blocks[-1], *group]) > width:
            blocks.append(list(head))
        blocks[-1] += group
    return blocks


def _filled(columns: list[list[str]], fixed: int) -> list[list[str]]:
    """Leave out the rows that are empty in this block."""
    header, *rows = zip(*columns, strict=True)
    kept = [row for row in rows if any(row[fixed:])] or rows
    return [list(column) for column in zip(header, *kept, strict=True)]


def file_name(text: str) -> str:
    """Turn a text into a part of a file name: letters, digits, ``-``, ``_`` and ``.`` stay, all else becomes ``-``.

    >>> file_name("CMU-MOSI · sentiment, 7 classes")
    'CMU-MOSI-sentiment-7-classes'
    """
    return re.sub(r"[^\w.-]+", "-", text).strip("-.") or "unnamed"
