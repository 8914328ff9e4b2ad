"""Examples at the end of each command's help. Each of them is a command that can be typed as it stands."""

EXAMPLES = {
    "": ("sertool demo", "sertool prepare recordings --out data/CALLS"),
    "demo": ("sertool demo", "sertool demo --output models --json demo.json"),
    "fetch-data": ("sertool fetch-data", "sertool fetch-data emodb --out data"),
    "doctor": ("sertool doctor", "sertool doctor --data data/CALLS"),
    "prepare": (
        "sertool prepare recordings --out data/CALLS",
        "sertool prepare data/CALLS --set 'frontend={model: microsoft/wavlm-base-plus}'",
    ),
    "train": (
        "sertool train --recipe custom --name calls --set dataset.path=data/CALLS",
        "sertool train --recipe emodb --members 3 --set splits.scheme=folds",
    ),
    "ensemble": (
        "sertool ensemble --name calls --split valid,test --probe",
        "sertool ensemble --name calls --members 3 --csv predictions.csv",
    ),
    "predict": (
        'sertool predict --name calls new.wav --text "I am so happy"',
        "sertool predict --name calls recordings --skip-bad --csv predicted.csv",
    ),
    "judge": (
        "sertool judge superb/hubert-large-superb-er --corpus data/CALLS --map four",
        "sertool judge model.onnx --corpus data/CALLS --split all --name theirs",
    ),
    "listen": (
        "sertool listen --name calls --jsonl judged.jsonl",
        "sertool listen --name calls - --rate 8000",
    ),
    "import": (
        "sertool import theirs.csv --corpus data/CALLS --name theirs",
        "sertool import tools.csv --corpus data/CALLS --name other --map four",
    ),
    "report": (
        "sertool report --name calls --html report.html",
        "sertool report --all --markdown report.md --latex tables",
    ),
    "compare": (
        "sertool compare calls calls-audio",
        "sertool compare calls calls-audio --split valid --csv flips.csv",
    ),
    "cross": (
        "sertool cross data/EMODB data/CALLS --recipe custom --map four",
        "sertool cross A B C --recipe custom --leave-one-out --csv matrix.csv",
    ),
    "export": (
        "sertool export --name calls --out bundle",
        "sertool export --name calls --out bundle --with-frontend --int8",
    ),
    "bench": ("sertool bench --recipe demo", "sertool bench --members 1 --device cpu --json bench.json"),
    "recipes": ("sertool recipes list", "sertool recipes show emodb"),
    "recipes list": ("sertool recipes list", "sertool recipes list --json recipes.json"),
    "recipes show": ("sertool recipes show emodb", "sertool recipes show mine.yaml --set training.runs=3"),
    "recipes copy": ("sertool recipes copy custom mine.yaml", "sertool recipes copy emodb mine.yaml --force"),
    "recipes check": ("sertool recipes check", "sertool recipes check mine.yaml"),
}


def examples(command: str) -> str:
    """Return the end of a command's help; ``command`` is its name, such as ``recipes list``."""
    lines = "\n".join(f"  {example}" for example in EXAMPLES[command])
    return f"\b\nExamples:\n{lines}"  # \b: click leaves the lines as they are
