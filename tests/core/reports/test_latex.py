"""Tables for papers: what is in them, that LaTeX obeys nothing of a name, that it compiles where it is installed."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_example import example

from sertool.core.formatting import printable
from sertool.core.reports.latex import in_latex, latex_files

OBEYED = re.compile(r"[\\{}$&#%_^~]")
# What stands for a sign in the output, longest first; the reverse of the escapes.
WRITTEN = {
    r"\textbackslash{}": "\\",
    r"\textasciitilde{}": "~",
    r"\textasciicircum{}": "^",
    r"\char34{}": '"',
    r"\char96{}": "`",
    r"\char39{}": "'",
    r"$\rightarrow$": "→",
    r"$\neq$": "≠",
    r"$\pm$": "±",
    r"$\cdot$": "·",
    "{-}": "-",
    "$<$": "<",
    "$>$": ">",
    "$|$": "|",
    **{f"\\{sign}": sign for sign in "&%$#_{}"},
    "--": "–",
}
TOKEN = re.compile("|".join(re.escape(one) for one in WRITTEN) + "|.", re.DOTALL)


@pytest.fixture(scope="module")
def tables():
    return dict(latex_files(example()))


def test_there_is_a_table_for_each_task_and_for_each_set(tables):
    report = example()
    assert {f"{file}.tex" for file in ("IEMOCAP-emotion", "MOSEI-emotion", "MOSI-sentiment")} <= tables.keys()
    for run in report.runs:
        for name in run.sets:
            assert {f"{run.name}/{name}-metrics.tex", f"{run.name}/{name}-classes.tex"} <= tables.keys()


def test_a_caption_says_how_the_figures_were_made(tables):
    run = next(run for run in example().runs if run.stamp)
    for name, text in tables.items():
        if not name.startswith(f"{run.name}/"):
            continue
        caption = re.search(r"\\caption\{(.*)\}\n", text)[1]
        for part in (run.name, run.dataset, run.stamp, "shares in percent", "members averaged", "by sertool"):
            assert in_latex(part) in caption, name
        if r"95 \% interval" in text:
            assert "intervals over" in caption


def test_rows_and_columns_fit(tables):
    for name, text in tables.items():
        columns = re.search(r"\\begin\{tabular\}\{@\{\}(l?r*)@\{\}\}", text)[1]
        body = text.partition(r"\toprule")[2].partition(r"\bottomrule")[0]
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert rows, name
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(columns)}, name
        assert ("table*" in text) == (len(columns) > 5)


def test_intervals_and_signs_are_written_as_papers_do(tables):
    figures = tables["iemocap/test-metrics.tex"]
    own = next(run for run in example().runs if run.name == "iemocap").sets["test"].metrics["accuracy"]
    assert f"{100 * own.value:.2f} & {100 * own.low:.1f}--{100 * own.high:.1f} &" in figures
    probes = tables["iemocap/test-text-and-audio.tex"]
    assert "$+$" in probes
    assert not re.search(r"& [+-]\d", probes)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_latex_obeys_nothing_of_a_text(text):
    parts = TOKEN.findall(in_latex(text))
    assert "".join(WRITTEN.get(part, part) for part in parts) == printable(text)
    assert not [part for part in parts if part not in WRITTEN and OBEYED.search(part)]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX is not installed")
def test_latex_compiles_every_table(tables, tmp_path):
    report = example()
    named = replace(report.runs[0], name=r"a_b & \c %", class_names=("$1", "#2", "~3", "^4"))
    every = {**tables, **dict(latex_files(replace(report, tasks=(), runs=(named,))))}
    inputs = []
    for place, text in enumerate(every.values()):
        (tmp_path / f"{place}.tex").write_text(text)
        inputs.append(rf"\input{{{place}}}\clearpage")
    lines = [r"\documentclass[twocolumn]{article}", r"\usepackage{booktabs}", r"\begin{document}"]
    (tmp_path / "paper.tex").write_text("\n".join([*lines, *inputs, r"\end{document}"]))
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"], cwd=tmp_path, capture_output=True
    )
    assert done.returncode == 0, done.stdout[-2000:]
