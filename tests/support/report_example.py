"""A plausible report made by hand, for tests of what is shown: nothing here comes from a model."""

from dataclasses import replace

import numpy as np

from sertool.core.metrics import Estimate
from sertool.core.metrics.baselines import Baseline
from sertool.core.metrics.reliability import Bin, Point
from sertool.core.reports.calibration_row import CalibrationRow
from sertool.core.reports.contents import (
    ClassRow,
    DifferenceRow,
    MemberRow,
    MemberSpread,
    ModalityUse,
    OurRow,
    ProbeRow,
    PublishedRow,
    Report,
    ReportFinding,
    ReportUtterance,
    RunReport,
    SetReport,
    Size,
    SliceRow,
    TaskReport,
)
from sertool.core.reports.label_reads import LabelRead
from sertool.core.training.history import MemberEpoch

EMOTIONS = ("neutral", "happy", "sad", "angry")
WORDS = (
    "i", "you", "never", "always", "thought", "that", "this", "would", "so", "very", "better", "worse", "okay",
    "listen", "please", "about", "your", "day", "mother", "wedding", "house", "rain", "sorry", "love", "hate",
)  # fmt: skip
METRICS = ("accuracy", "uar", "f1_macro", "f1_weighted")


def near(value, half=0.05):
    """A figure with an interval around it."""
    return Estimate(value, max(0.0, value - half), min(1.0, value + 0.9 * half))


def figures(accuracy, half=0.05):
    """The four metrics around an accuracy."""
    return {name: near(accuracy + shift, half) for name, shift in zip(METRICS, (0, 0.012, -0.004, 0.002), strict=True)}


def utterances(count, classes=EMOTIONS, *, members=5, accuracy=0.72, multi=False, seed=1):
    """The rows of an error browser; every seventh has no seconds."""
    random = np.random.default_rng(seed)
    rows = []
    for place in range(count):
        target = int(random.integers(len(classes)))
        right = bool(random.random() < accuracy)
        decision = target if right else int((target + 1 + random.integers(len(classes) - 1)) % len(classes))
        confidence = float(random.beta(6, 2) if right else random.beta(4, 3))
        rest = random.dirichlet(np.ones(len(classes) - 1)) * (1 - confidence)
        probabilities = [float(value) for value in rest]
        probabilities.insert(decision, confidence)
        words = int(random.integers(3, 28))
        speaker = place * 10 // count
        names = [classes[target]], [classes[decision]]
        if multi:
            for labels, sparse in zip(names, (7, 5), strict=True):
                labels += [classes[0]] * (place % 3 == 0 and classes[0] not in labels)
                labels[:] = labels if place % sparse else []
        rows.append(
            ReportUtterance(
                id=f"Ses01{'FM'[speaker % 2]}_impro{speaker:02d}_{place:04d}",
                text=" ".join(random.choice(WORDS, words)).capitalize() + ".",
                speaker=f"Ses01{'FM'[speaker % 2]}-{speaker // 2}",
                dialogue=f"Ses01_impro{place * 28 // count:02d}",
                target=", ".join(names[0]),
                decision=", ".join(names[1]),
                right=names[0] == names[1],
                confidence=confidence,
                probabilities=tuple(probabilities),
                seconds=None if place % 7 == 6 else round(words * 0.31 + 0.4, 2),
                words=words,
                members=int(random.integers(members // 2 if right else 1, members + 1)),
            )
        )
    return tuple(rows)


def calibration(*, temperature=1.62):
    """Too sure of itself."""
    confidences = np.linspace(0.31, 0.99, 12)
    bins = []
    for place, confidence in enumerate(confidences):
        accuracy = float(confidence - 0.12 * (place / 12) ** 2 - 0.02 * np.sin(place))
        count = 12 + place * place * 3
        bins.append(
            Bin(
                float(confidence),
                accuracy,
                count,
                accuracy - 0.5 / count**0.5,
                min(1.0, accuracy + 0.5 / count**0.5),
            )
        )
    risk = tuple(Point(1 - 0.04 * step, 0.72 + 0.012 * step, 0.3 + 0.035 * step) for step in range(20))
    return CalibrationRow(
        temperature=temperature,
        ece=Estimate(0.071, 0.049, 0.098),
        ece_expected=0.024,
        p=0.005,
        brier=Estimate(0.402, 0.361, 0.447),
        nll=0.803,
        confidence=0.781,
        accuracy=0.719,
        bins=tuple(bins),
        risk=risk,
    )


def confusion(rows, classes):
    """Counts of single decisions."""
    counts = np.zeros((len(classes), len(classes)), int)
    for row in rows:
        counts[classes.index(row.target), classes.index(row.decision)] += 1
    return tuple(tuple(int(value) for value in row) for row in counts)


def slices(rows, accuracy):
    """By speaker, gender, length, class; one is weak."""
    speakers = sorted({row.speaker for row in rows})
    every = [("speaker", name) for name in speakers]
    every += [("gender", "female"), ("gender", "male")]
    every += [("words", "1 to 6 words"), ("words", "7 to 14 words"), ("words", "15 words and more")]
    every += [("class", name) for name in sorted({row.target for row in rows})]
    made = []
    for place, (kind, name) in enumerate(every):
        weak = name == "15 words and more"
        own = accuracy + 0.06 * float(np.sin(3 * place)) - 0.17 * weak
        size = 7 if place == 1 else len(rows) // 9 + 5 * place
        made.append(
            SliceRow(
                kind=kind,
                name=name,
                size=size,
                clusters=max(1, size // 12),
                accuracy=near(own, 0.09),
                difference=own - accuracy,
                p=None if size < 10 else 0.0004 if weak else 0.41,
                weak=weak,
            )
        )
    return tuple(made)


def set_report(name="test", count=240, classes=EMOTIONS, *, accuracy=0.72, members=5, k=4, seed=1):
    """A labelled set of a single-label task."""
    rows = utterances(count, classes, members=k, accuracy=accuracy, seed=seed)
    matrix = confusion(rows, classes)
    sizes = tuple(
        Size(size, {metric: accuracy - 0.05 / size + 0.004 * float(np.sin(size)) for metric in METRICS})
        for size in range(1, members + 1)
    )
    alone = tuple(
        MemberRow(
            f"run-{place + 1}",
            0,
            0.70 - 0.008 * place,
            dict.fromkeys(METRICS, accuracy - 0.03 - 0.006 * place),
        )
        for place in range(members)
    )
    probes = {"text masked": 0.23, "audio masked": 0.09, "text shuffled": 0.31, "audio shuffled": 0.12}
    return SetReport(
        set=name,
        utterances=count,
        published_utterances=count,
        unit="dialogue",
        clusters=28,
        unit_note="only 2 speakers: the interval is over 28 dialogues, and says nothing about other speakers",
        k=k,
        kind="single",
        metrics=figures(accuracy),
        scores={},
        sizes=sizes,
        members=alone,
        spread={metric: MemberSpread(accuracy - 0.042, 0.0095 if members > 1 else None) for metric in METRICS},
        classes=tuple(
            ClassRow(
                name=label,
                precision=near(accuracy - 0.02 * place),
                recall=near(accuracy + 0.03 * place - 0.04, 0.07),
                f1=near(accuracy, 0.06),
                support=sum(matrix[place]),
                predicted=sum(row[place] for row in matrix),
                train=900 + 120 * place,
                published=sum(matrix[place]) + (place == 1),
            )
            for place, label in enumerate(classes)
        ),
        confusion=matrix,
        baseline=Baseline(f"always {classes[0]}", dict.fromkeys(METRICS, max(sum(row) for row in matrix) / count)),
        calibration=calibration(),
        slices=slices(rows, accuracy),
        probes=tuple(
            ProbeRow(probe, figures(accuracy - drop), near(drop, 0.04), 0.0003 if drop > 0.1 else 0.03)
            for probe, drop in probes.items()
        ),
        by_cluster=(),
        use=ModalityUse("used", "used", "it uses the text and the audio"),
        rows=rows,
    )


def history(members=5, epochs=14):
    """The reference's schedule: back to the best epoch at a lower rate, twice."""
    histories = {}
    for member in range(members):
        rows, best, rate = [], 0.0, 1e-4
        for epoch in range(1, epochs + 1 - member % 3):
            score = 0.69 - 0.4 / epoch - 0.012 * ((epoch + member) % 4 == 0) - 0.003 * member
            outcome = "better" if score > best else "went back" if rate > 5e-6 else "worse"
            rows.append(MemberEpoch(epoch, 1.38 * 0.86**epoch + 0.02 * member, score, rate, outcome))
            rate = rate / 5 if outcome == "went back" else rate
            best = max(best, score)
        histories[f"run-{member + 1}"] = tuple(rows)
    return histories


PROVENANCE = {
    "recipe": "iemocap, seeds 1 to 5",
    "architecture": "MAT, hidden size 512, 2 layers, 15,507,462 parameters a member",
    "division": "train 4,446, test 1,085; validation is the test split",
    "data hash": "3f1c9a4be07d2c55",
    "device": "NVIDIA A100, bf16",
    "versions": "sertool 0.1.0, torch 2.13.0, numpy 2.4.6, Python 3.11.7",
    "trained": "2026-11-20T21:04:11Z, 1,204 s",
}
FINDINGS = (
    ReportFinding("selected-on-test", "error", "epochs, order and k were selected on the test split"),
    ReportFinding("miscalibrated", "warning", "too sure of itself: 78.1 % confident on average, 71.9 % right"),
    ReportFinding(
        "weak-slice",
        "warning",
        "15 words and more: 55.0 against 74.2 for the rest (38 utterances, p < 0.001)",
    ),
    ReportFinding("other-clusters", "note", "only 2 speakers: the intervals say nothing about other speakers"),
)


def run_report(name="iemocap", *, protocol="paper", count=240, accuracy=0.72, seed=1):
    """A run on four emotions."""
    paper = protocol == "paper"
    return RunReport(
        name=name,
        recipe=name,
        dataset="IEMOCAP",
        task="emotion",
        kind="single",
        class_names=EMOTIONS,
        architecture="mat",
        protocol=protocol,
        stamp="selected on test: epochs, order and k" if paper else "",
        caveats="",
        members=5,
        expected_members=5,
        folds=1,
        select="accuracy",
        chosen_by="test" if paper else "validation",
        sets={
            "valid": set_report("valid", count, accuracy=accuracy + 0.01, seed=seed + 1),
            "test": set_report("test", count, accuracy=accuracy, seed=seed),
        },
        findings=FINDINGS if paper else FINDINGS[3:],
        histories=history(),
        reads=(
            LabelRead("2026-11-20T21:04:11Z", "sertool train", "validated on test, 14 epochs", "decisions", count),
            LabelRead("2026-11-21T08:30:02Z", "sertool ensemble", "judged 5 members", "decisions", count),
        ),
        data_hash="3f1c9a4be07d2c55",
        provenance=PROVENANCE,
        commands=(
            f"sertool train --recipe {name}",
            f"sertool ensemble --name {name} --split valid,test --probe",
            f"sertool report --name {name} --html report.html",
        ),
    )


def sentiment_run(name="mosi"):
    """A run with scores, on two classes, of one member, without validation or calibration."""
    classes = ("negative", "positive")
    own = set_report("test", 120, classes, accuracy=0.79, members=1, k=1, seed=5)
    scores = {
        "acc2_with_zeros": near(0.785),
        "acc2_without_zeros": near(0.793),
        "acc7": near(0.352),
        "mae": Estimate(0.912, 0.84, 0.99),
        "pearson": Estimate(0.684, 0.61, 0.74),
        "ccc": Estimate(float("nan")),
    }
    own = replace(own, scores=scores, calibration=None, probes=(), slices=(), unit="utterance", clusters=120)
    return replace(
        run_report(name, protocol="honest", accuracy=0.79),
        dataset="MOSI",
        task="sentiment",
        class_names=classes,
        members=1,
        expected_members=2,
        chosen_by="all",
        sets={"test": replace(own, unit_note="over utterances: nothing is known about speakers")},
        findings=(ReportFinding("few-members", "warning", "1 of 2 members has finished"),),
        histories={"run-1": history(1, 1)["run-1"]},
        reads=(),
    )


def multi_run(name="mosei-emotions"):
    """A multi-label run: no confusion matrix."""
    classes = ("happy", "sad", "angry", "fear", "disgust", "surprise")
    own = set_report("test", 150, classes, accuracy=0.81, seed=7)
    own = replace(
        own,
        confusion=None,
        kind="multi",
        baseline=Baseline("no label at all", {"accuracy": 0.7, "uar": 0.5, "f1_macro": 0.0, "f1_weighted": 0.0}),
        rows=utterances(150, classes, members=4, accuracy=0.5, multi=True, seed=7),
        slices=own.slices[:4],
    )
    return replace(
        run_report(name, protocol="honest", accuracy=0.81),
        dataset="MOSEI",
        kind="multi",
        class_names=classes,
        sets={"test": own},
        findings=(),
    )


def our_row(run):
    """A run in its task's table."""
    test = run.sets["test"]
    note = "" if run.members == run.expected_members else f"{run.members} of {run.expected_members} members"
    return OurRow(
        run.name,
        run.recipe,
        run.protocol,
        run.stamp,
        test.k,
        run.members,
        test.metrics,
        test.spread,
        (4446,),
        note,
        test.baseline,
    )


def example(count=240):
    """Two runs of one task, one as the paper did it and one honest; a sentiment run; a multi-label run."""
    paper = run_report("iemocap", protocol="paper", count=count, accuracy=0.732)
    honest = run_report("iemocap-honest", protocol="honest", count=count, accuracy=0.694, seed=1)
    others = sentiment_run(), multi_run()
    differences = tuple(
        DifferenceRow(metric, paper.name, honest.name, Estimate(0.038, 0.006, 0.071), 0.021, note)
        for metric, note in zip(METRICS, ("trained on 4,446 against 3,557 utterances", "", "", ""), strict=True)
    )
    published = (
        PublishedRow("accuracy", 0.7253, 5, 1085, "the paper's repository"),
        PublishedRow("f1_weighted", 0.74, None, None, "the paper, table 2"),
    )
    tasks = (
        TaskReport("IEMOCAP", "emotion", published, (our_row(paper), our_row(honest)), differences),
        TaskReport("MOSI", "sentiment", (PublishedRow("accuracy", 0.7927, 2, 656, "the paper's repository"),),
                   (our_row(others[0]),), ()),
        TaskReport("MOSEI", "emotion", (), (our_row(others[1]),), (), kind="multi"),
        TaskReport("MELD", "emotion", (PublishedRow("accuracy", 0.45, 9, 2610, "the paper's repository"),), (), (),
                   ("meld: needs data/MELD: sertool fetch-data data",)),
    )  # fmt: skip
    return Report(
        title="Four runs on IEMOCAP, MOSI and MOSEI",
        made="2026-11-24 09:30 UTC by sertool 0.1.0",
        tasks=tasks,
        runs=(paper, honest, *others),
        problems=("vgaf: no stored predictions: sertool ensemble --name vgaf --split valid,test",),
        command="sertool report --all --html report.html",
    )
