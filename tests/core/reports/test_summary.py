"""The three sentences on top of a report: trained on what, scoring what, and what to worry about."""

from dataclasses import replace

import numpy as np
import pytest
import report_example
from report_pages import of, parsed, text_of

from sertool.core.metrics import Estimate
from sertool.core.metrics.baselines import Baseline, baseline_scores
from sertool.core.reports.contents import Report, ReportFinding
from sertool.core.reports.html.page import render
from sertool.core.reports.summary import summary
from sertool.core.reports.text.markdown import to_markdown
from sertool.core.reports.text.terminal import show
from sertool.core.reports.wording import named_baselines


def of_run(place, **changes):
    report = report_example.example(60)
    return summary(replace(report, runs=(replace(report.runs[place], **changes),)))


def test_one_run_beside_the_published_figures_and_the_baseline():
    trained, score, worry = of_run(0, modalities=("text", "audio"))
    assert trained == (
        "iemocap is an ensemble of 5 MAT models, trained on 4,446 utterances of IEMOCAP for emotion, 4 classes, "
        "from text and audio."
    )
    assert score == (
        "On 60 test utterances it reaches 73.20 % accuracy (95 % interval 68.2 - 77.7; published: 72.53 %), "
        "74.40 % UAR (95 % interval 69.4 - 78.9) and 73.40 % weighted F1 (95 % interval 68.4 - 77.9; published: "
        "74.00 %); selected on test: epochs, order and k; always neutral reaches 30.00 % accuracy and 30.00 % UAR."
    )
    assert worry == (
        "To worry about: epochs, order and k were selected on the test split; too sure of itself: 78.1 % confident on "
        "average, 71.9 % right; 1 warning and 1 note more below."
    )


def test_a_run_without_anything_to_compare_with():
    _, score, worry = of_run(3)
    assert score.endswith(
        "82.20 % balanced label accuracy (95 % interval 77.2 - 86.7); no label at all reaches 70.00 % label accuracy "
        "and 50.00 % balanced label accuracy; no figure is published for comparison."
    )
    assert worry == "Nothing is known that makes these figures misleading."
    assert of_run(1)[2] == "Nothing is known that makes these figures misleading; 1 note below."


def test_one_member_folds_and_caveats():
    assert of_run(2, caveats="synthetic speech")[0].startswith(
        "mosi is a single MAT model, trained on 4,446 utterances of MOSI (synthetic speech) for sentiment, 2 classes"
    )
    assert of_run(0, folds=5, members=25)[0].startswith(
        "iemocap is an ensemble of 25 MAT models in 5 folds, trained on 4,446 utterances of IEMOCAP for"
    )


def test_figures_without_interval_or_value_and_scores_have_none_invented():
    run = report_example.sentiment_run()
    test = run.sets["test"]
    test = replace(test, metrics={"accuracy": Estimate(0.7), "uar": Estimate(float("nan"))})
    task = replace(report_example.example(60).tasks[1], published=(report_example.PublishedRow("mae", 0.9, 2, 1, "x"),))
    score = summary(Report("", "", (task,), (replace(run, sets={"test": test}),), (), ""))[1]
    assert score == (
        "On 120 test utterances it reaches 70.00 % accuracy and 0.912 MAE (95 % interval "
        "0.840 - 0.990; published: 0.900); always negative reaches 53.33 % accuracy and 53.33 % UAR."
    )
    assert of_run(0, sets={})[1] == "It has not been evaluated on test."


def test_several_runs_are_summed_up_together():
    runs, scores, worry = summary(report_example.example(60))
    assert runs == (
        "4 runs: iemocap, iemocap-honest (IEMOCAP · emotion); mosi (MOSI · sentiment); "
        "mosei-emotions (MOSEI · emotion)."
    )
    assert scores == (
        "On test: IEMOCAP · emotion, accuracy: iemocap 73.20 % (selected on test: epochs, order and k), "
        "iemocap-honest 69.40 %, always neutral 30.00 %, published 72.53 %; MOSI · sentiment, accuracy: mosi 79.00 %, "
        "always negative 53.33 %, published 79.27 %; MOSEI · emotion, label accuracy: mosei-emotions 81.00 %, no label "
        "at all 70.00 %."
    )
    assert (
        worry == "To worry about: 1 error (iemocap); 3 warnings (iemocap, mosi); 1 run or file left out of this report."
    )


@pytest.mark.parametrize("number", [2, 20, 21, 60])
def test_lists_of_runs_stop_at_twenty(number):
    found = (ReportFinding("weak-slice", "warning", "weak"),)
    runs = tuple(replace(report_example.run_report(f"run{place}", count=4), findings=found) for place in range(number))
    report = replace(report_example.example(4), runs=runs, problems=())
    for sentence in summary(report):
        assert sentence.count("run") - sentence.count("runs") == min(number, 20)
        assert (f"and {number - 20} more" in sentence) == (number > 20)


def test_every_output_begins_with_the_summary():
    report = report_example.example(12)
    report = replace(report, summary=summary(report))
    page = parsed(render(report))
    box = next(node for node in of(page, "div") if node.get("class") == "summary")
    assert tuple(map(text_of, of(box, "p"))) == report.summary
    assert of(page, "header")[0][-1] is box
    assert to_markdown(report).split("\n\n")[2].startswith("4 runs: iemocap, iemocap-honest (IEMOCAP")
    assert show(report, 1000)[1].startswith("4 runs: iemocap, iemocap-honest")


def test_a_report_without_runs_has_no_summary():
    assert summary(Report("nothing", "now", (), (), ("calls: no stored predictions",), "")) == ()


def test_baselines_are_told_apart_where_runs_differ_in_their_test_utterances():
    report = report_example.example(60)
    task = report.tasks[0]
    first, second = task.ours
    assert [name for name, _ in named_baselines(task)] == ["always neutral"]
    other = replace(second, baseline=Baseline("always neutral", {"accuracy": 0.25, "uar": 0.25}))
    apart = replace(task, ours=(first, other))
    assert [name for name, _ in named_baselines(apart)] == [
        "always neutral (of iemocap)",
        "always neutral (of iemocap-honest)",
    ]
    changed = replace(report, tasks=(apart, *report.tasks[1:]))
    shown = "\n".join(show(changed, 200))
    page = render(changed)
    for name in ("always neutral (of iemocap)", "always neutral (of iemocap-honest)"):
        assert name in shown
        assert name in page


def test_equal_baselines_of_scores_are_one():
    scores = np.array([-1.0, 0.5, 2.0])
    assert baseline_scores(scores, 7) == baseline_scores(scores, 7)
