#!/usr/bin/env bash
# accelerate 1.15.0 with trackio 0.43.0: the configuration of a run gains a key `allow_val_change: true`.
#
# `TrackioTracker.store_init_configuration` calls `trackio.config.update(values, allow_val_change=True)`, as it does for
# wandb, whose configuration takes that as an option. Trackio's is a dict, for which every keyword is one more entry. It
# is kept and shown with the run; whoever compares runs by their configurations, or reads one back, finds a setting that
# nobody has made. `init_kwargs={"trackio": {"config": values}}` keeps it as it is.
#
# Seen:
#   told by Accelerate: ['allow_val_change', 'learning_rate']
#   told to init: ['learning_rate']
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 accelerate==1.15.0 trackio==0.43.0 numpy==2.4.6

cat > "$folder/keys.py" <<'PYTHON'
import contextlib
import io

from accelerate import Accelerator


def list_keys(**told):
    """The keys that the run has in the end, but for Trackio's own, which begin with a line."""
    accelerator = Accelerator(log_with="trackio", cpu=True)
    with contextlib.redirect_stdout(io.StringIO()):
        accelerator.init_trackers("p", **told)
        (tracker,) = accelerator.trackers
        found = sorted(key for key in tracker.run.config if not key.startswith("_"))
        tracker.finish()
    return found


values = {"learning_rate": 0.1}
first = list_keys(config=values, init_kwargs={"trackio": {"embed": False}})
second = list_keys(init_kwargs={"trackio": {"embed": False, "config": dict(values)}})
print("told by Accelerate:", first)
print("told to init:", second)
assert first == ["allow_val_change", "learning_rate"], "the key is no longer added"
assert second == ["learning_rate"]
PYTHON
HF_HUB_OFFLINE=1 HOME="$folder" TRACKIO_DIR="$folder/trackio" "$folder/venv/bin/python" "$folder/keys.py"
