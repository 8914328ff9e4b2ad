#!/usr/bin/env bash
# Makes everything here anew, with the sertool that `python -m sertool` runs. README.md tells which one that was.
set -euo pipefail
cd "$(dirname "$0")"
sertool() { python -m sertool "$@"; }
refused() { if "$@"; then echo "expected a failure: $*" >&2; exit 1; fi; }

rm -rf old broken.* asked.csv tones.zip whole recordings data ckpt bundle bundle-frontend cache expected now fetched halted
mkdir -p now cache/texts cache/shards
python machine.py > made_on.json
python make_recordings.py

# Corpora.
bands=(--set frontend.mel_bands=20)
sertool prepare tones.csv "${bands[@]}" --out data/TONES --json now/prepare-tones.json
sertool prepare chords.jsonl --recipe small.yaml --out data/CHORDS --json now/prepare-chords.json

# The caches that prepare keeps until a corpus is complete: a recording that is none stops it.
{ cat tones.csv; echo "broken,broken.wav,,,angry,,,,,,train"; } > broken.csv
echo "no sound" > broken.wav
refused sertool prepare broken.csv "${bands[@]}" --out halted/TONES
mv halted/TONES/.prepare/frames cache/frames
rm -r broken.csv broken.wav halted

# The same for texts, by a stand-in for faster-whisper that fails at the last recording; on a cluster the frames are
# kept in the other form.
mkdir halted
cat > halted/faster_whisper.py <<'PYTHON'
from types import SimpleNamespace

calls = []


class WhisperModel:
    def __init__(self, name):
        self.name = name

    def transcribe(self, samples, language, temperature):
        calls.append(len(samples))
        if len(calls) == LAST:
            raise RuntimeError("stopped on purpose")
        return iter([SimpleNamespace(text=f" What {len(samples)} samples say.")]), None
PYTHON
whisper() { { echo "LAST = $1"; cat halted/faster_whisper.py; } > halted/now.py; mkdir -p halted/path
  mv halted/now.py halted/path/faster_whisper.py; }
told() { PYTHONPATH="halted/path:${PYTHONPATH:-}" sertool prepare untold.csv "${bands[@]}" --transcribe tiny --language en "$@"; }
whisper 4
refused told --out halted/TOLD
mv halted/TOLD/.prepare/texts/* cache/texts
refused told --out halted/SHARD --launcher ray
mv halted/SHARD/.prepare/frames/*.safetensors cache/shards/told.safetensors
whisper 0
told --out data/TOLD --json now/prepare-told.json
rm -r halted

# Trained: one class, from an earlier run, a score in cross-validation by the other architecture, several classes.
tiny=(--recipe custom --set dataset.path=data/TONES "${bands[@]}" --set model.hidden_size=4 --set model.ffn_size=4
  --set model.num_heads=2 --set model.num_layers=1 --set model.embedding_size=6 --set training.max_epochs=6
  --set training.batch_size=4 --set training.learning_rate=0.02 --device cpu --precision fp32)
small=(--recipe small.yaml --device cpu)
folds=(--set model.architecture=mnt --set dataset.task=sentiment --set dataset.num_classes=7 --set splits.scheme=folds
  --set splits.folds=3)
sertool train --name first "${tiny[@]}" --runs 2 --json now/train-first.json
sertool train --name second "${tiny[@]}" --runs 1 --from first --json now/train-second.json
sertool train --name folds "${small[@]}" "${folds[@]}" --runs 1 --json now/train-folds.json
sertool train --name chords "${small[@]}" --json now/train-chords.json

# Judged: the sets without labels first, because the calibration of the last one stays.
sertool ensemble --name first --sets private --device cpu --json now/ensemble-private.json
for name in first second folds chords; do
  probe=$([ $name = first ] && echo --probe || true)
  sertool ensemble --name $name --sets valid,test $probe --device cpu --json now/ensemble-$name.json \
    --predictions now/ensemble-$name.csv
done

# What is computed from weights.
cat > asked.csv <<'TABLE'
id,audio,text,start,end
both,recordings/s5-1.flac,why would you do that,,
part,recordings/s1-23.wav,,0.1,0.5
TABLE
sertool predict --name first --table asked.csv --device cpu --json now/predict.json --csv now/predict.csv
sertool predict --name chords recordings/s6-0.flac recordings/s4-1.flac --window 0.2 --device cpu \
  --json now/predict-chords.json
sertool export --name first --out bundle --json now/export.json
sertool export --name chords --out bundle-frontend --with-frontend --json now/export-frontend.json
for bundle in bundle bundle-frontend; do
  python $bundle/run.py recordings/s5-1.flac --text "Why would YOU do that?" > now/$bundle.txt
  python logits.py $bundle recordings/s5-1.flac "Why would YOU do that?" > now/$bundle.json
done

# What is computed from stored predictions; every look at test labels is told, so all judging comes before.
sertool report --name first --name second --name folds --name chords --json now/report.json \
  --csv now/report.csv
sertool compare first second --json now/compare.json --csv now/compare.csv
sertool compare first second --set valid --json now/compare-valid.json

# What is read and told.
for name in TONES CHORDS; do
  recipe=small.yaml own=()
  [ $name = CHORDS ] || { recipe=custom; own=("${bands[@]}"); }
  sertool doctor --data data/$name --recipe $recipe "${own[@]}" --json now/doctor-$name.json
done
sertool recipes show small.yaml --set training.runs=5 > now/recipe-small.yaml
sertool recipes show custom --set dataset.path=data/TONES > now/recipe-custom.yaml

# The reference's files as an earlier fetch-data had kept them (README.md tells how): the pickles are gone.
mkdir old
cp -r reference/. old
gunzip -r old
sertool ensemble --name MODELS --sets valid,test --data old/data --output old/ckpt --device cpu \
  --json now/ensemble-reference.json
rm -r old

# A receipt of fetch-data.
python -m zipfile -c tones.zip data/TONES/
sertool fetch-data tones --manifest sources.yaml --from tones.zip --dest fetched
sertool fetch-data tones --manifest sources.yaml --dest fetched --json now/fetched.json
rm -r tones.zip fetched/TONES

# Killed in the middle, and what the whole training comes to.
halted=(--name halted "${small[@]}" --set training.max_epochs=60 --set training.patience=8
  --set training.max_decays=9 --set training.lr_decay=0.6 --set training.learning_rate=0.006
  --set training.select=f1_weighted --set splits.scheme=folds --set splits.folds=3 --seeds 1 --group-size 2)
# Its epochs are judged on what it is trained on, so that the best of them come late.
halted_from=(--name halted-from "${tiny[@]}" --from first --set training.max_epochs=40 --set training.learning_rate=0.003
  --set training.select=f1_weighted --set splits.valid=train --seeds 4 --group-size 1)
mkdir -p whole
cp -r ckpt/first whole/
sertool train "${halted[@]}" --output whole --json now/train-halted.json
sertool train "${halted_from[@]}" --output whole --json now/train-halted-from.json
for name in halted halted-from; do
  mkdir -p now/$name
  cp -r whole/$name/run-* now/$name
  options=("${halted[@]}")
  [ $name = halted ] || options=("${halted_from[@]}")
  while true; do  # until it was killed where there is a state and no file is half-written
    rm -rf ckpt/$name
    python -m sertool train "${options[@]}" & process=$!
    python wait_for.py ckpt/$name || true
    kill -9 $process || true
    wait $process || true
    python wait_for.py ckpt/$name --check && break
  done
done
rm -r whole now/halted/run-1-{0,1}
mv now expected
# What is large is packed. Recordings, corpora and caches stay as they are.
find ckpt bundle bundle-frontend expected -type f \( -size +4k -o -name '*.safetensors' -size +1k -o -name run.py \) -exec gzip -n9 {} +
find . -name __pycache__ -prune -exec rm -r {} +

