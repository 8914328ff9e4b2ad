"""The HTML report as a tree, one in which every name is hostile, and parts of a report's text and CSV."""

import csv
import io
import json
import re
from dataclasses import replace

import html5lib
import report_example

from sertool.core.reports.contents import Report

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    '"><img src=x onerror="alert(3)">',
)


SPACE = "{http://www.w3.org/1999/xhtml}"


SVG = "{http://www.w3.org/2000/svg}"


def parsed(page):
    """The page's tree; the parser refuses whatever the standard calls an error."""
    return html5lib.HTMLParser(strict=True).parse(page)


def of(tree, name):
    return list(tree.iter(SPACE + name))


def text_of(node):
    return re.sub(r"\s+", " ", "".join(node.itertext())).strip()


def text_outside_figures(node):
    if node.tag not in (SVG + "svg", SPACE + "script"):
        yield node.text or ""
        for child in node:
            yield from text_outside_figures(child)
            yield child.tail or ""


def not_isolated(node, inside=False):
    """The texts from right to left in no element of their own direction; figures isolate theirs by the style."""
    if node.tag in (SVG + "svg", SPACE + "script", SPACE + "title"):
        return
    inside = inside or node.tag == SPACE + "bdi" or node.get("dir") == "auto"
    own = [node.text or "", *(child.tail or "" for child in node)]
    yield from (text for text in own if not inside and re.search("[\u0590-\u08ff]", text))
    for child in node:
        yield from not_isolated(child, inside)


def data_of(tree):
    """The pool, and the data of every browser."""
    scripts = [node for node in of(tree, "script") if node.get("type") == "application/json"]
    pool = next(node for node in scripts if node.get("id") == "pool")
    return json.loads(pool.text), [json.loads(node.text) for node in scripts if node is not pool]


def hostile_report(bad):
    """Whatever a corpus or a recipe may name is ``bad``."""
    rows = tuple(
        replace(row, id=f"{bad}{place}", text=bad, speaker=bad, dialogue=bad, target=bad, decision=f"{bad} 2")
        for place, row in enumerate(report_example.utterances(6, members=4))
    )
    test = report_example.set_report("test", 12)
    test = replace(
        test,
        rows=rows,
        unit_note=bad,
        classes=tuple(replace(row, name=bad) for row in test.classes),
        slices=tuple(replace(row, kind=bad, name=bad) for row in test.slices),
        probes=tuple(replace(row, name=bad) for row in test.probes),
        members=tuple(replace(row, name=bad) for row in test.members),
    )
    run = report_example.run_report()
    run = replace(
        run,
        **dict.fromkeys(("name", "recipe", "dataset", "task", "protocol", "stamp", "caveats", "data_hash"), bad),
        class_names=(bad,) * 4,
        sets={"test": test},
        findings=tuple(replace(one, kind=bad, text=bad) for one in run.findings),
        histories={bad: run.histories["run-1"]},
        reads=tuple(replace(one, time=bad, by=bad, purpose=bad) for one in run.reads),
        provenance={bad: bad},
        commands=(bad,),
    )
    task = report_example.example(12).tasks[0]
    task = replace(
        task,
        dataset=bad,
        task=bad,
        published=tuple(replace(row, source=bad) for row in task.published),
        ours=(replace(report_example.our_row(run), note=bad),),
        differences=tuple(replace(row, paper=bad, honest=bad, note=bad) for row in task.differences),
        missing=(bad,),
    )
    return Report(
        bad, bad, (task,), (run,), (bad,), bad, {bad: {f"{bad}0": "data:audio/wav;base64,"}}, summary=(bad, bad, bad)
    )


def section(lines: list[str], start: str) -> list[str]:
    """The lines from a heading to the next one."""
    begin = next(place for place, line in enumerate(lines) if line.startswith(start))
    rules = [place for place, line in enumerate(lines) if line and set(line) == {"─"} and place > begin + 2]
    headings = [max(p for p in range(place) if not lines[p]) for place in rules]
    end = next((place for place in headings if place > begin), len(lines))
    return lines[begin:end]


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def first_browser(page):
    """The first error browser of a page that a browser has opened."""
    return page.locator(".browser").first


def column(own, number):
    """The texts of a column of an error browser."""
    return own.locator(f"tbody tr > :nth-child({number})").all_inner_texts()
