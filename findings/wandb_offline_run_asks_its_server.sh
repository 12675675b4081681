#!/usr/bin/env bash
# wandb 0.31.0: `wandb.init(mode="offline")` sends measurements of itself to its server; WANDB_MODE=offline does not.
#
# The run itself stays on the disk. But each `run.log` notes how long it took in a recorder of the whole process, which
# reads the settings of the process, and not those of the run: unless the variable says offline there too, it sends what
# it has gathered at the end. So whoever names the mode where the documentation names it, or has it named by Accelerate
# (`init_kwargs={"wandb": {"mode": "offline"}}`), still reaches for the network.
#
# Seen (no name is really looked up here):
#   told as an argument: asked for ['api.forge.coreweave.com']
#   told by WANDB_MODE: asked for []
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check wandb==0.31.0

cat > "$folder/offline.py" <<'PYTHON'
import atexit
import os
import socket
import sys

look_up, asked = socket.getaddrinfo, set()


def refuse(host, *given, **more):
    if host in (None, "", "localhost", "127.0.0.1", "::1"):
        return look_up(host, *given, **more)
    asked.add(host)
    raise socket.gaierror(f"{host} is not looked up")


def tell():
    """The last thing that this process does."""
    print(f"told {sys.argv[2]}: asked for {sorted(asked)}", flush=True)
    expected = sys.argv[1] == "argument"
    os._exit(0 if bool(asked) == expected else 1)


socket.getaddrinfo = refuse
atexit.register(tell)
if sys.argv[1] == "variable":
    os.environ["WANDB_MODE"] = "offline"

import wandb  # noqa: E402 - reads the variables

assert wandb.__version__ == "0.31.0", "another version"
run = wandb.init(project="p", dir=sys.argv[3], mode="offline")
run.log({"a": 1})
run.finish()
PYTHON
export WANDB_SILENT=true HOME="$folder"
"$folder/venv/bin/python" "$folder/offline.py" argument "as an argument" "$folder"
"$folder/venv/bin/python" "$folder/offline.py" variable "by WANDB_MODE" "$folder"
