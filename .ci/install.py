"""Install packages into the environment that runs this, as `pip install` would, in less than half of its time.

    .venv/bin/python .ci/install.py -e '.[docs]'

uv unpacks on all cores, and leaves compiling to the first import: of 19,000 files, 4,500 are ever imported. It does not
read pip's settings, so it is told where pip would look. Where uv cannot be had, or fails, pip installs.
"""

import ast
import os
import subprocess
import sys
from importlib.util import find_spec

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
# pip looks in all indexes for the best version; uv would stop at the first that knows the name.
UV = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--index-strategy=unsafe-best-match"]
NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}


def main() -> int:
    """Install what the command line names, and return the exit status of the one that did."""
    wanted = ["-c", "constraints.txt", *sys.argv[1:]]
    if has_uv() and not subprocess.run([*UV, *wanted], env=os.environ | read_settings()).returncode:
        return 0
    return subprocess.run([*PIP, "install", "--quiet", *wanted]).returncode


def has_uv() -> bool:
    """Say whether uv is there, after pip has fetched it where it was not."""
    fetch = [*PIP, "install", "--quiet", "-c", "constraints.txt", "uv"]
    return bool(find_spec("uv")) or not subprocess.run(fetch, stderr=subprocess.DEVNULL).returncode


def read_settings() -> dict[str, str]:
    """Give uv's environment variables for what pip's files and variables say; a variable has the last word."""
    listed = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=True).stdout
    settings = {}
    for line in reversed(listed.splitlines()):  # sorted: `:env:.cert` comes before `global.cert`
        name, _, value = line.partition("=")
        if uv_name := NAMES.get(name.rpartition(".")[2]):
            words = ast.literal_eval(value).split()
            settings[uv_name] = ("," if uv_name == "UV_FIND_LINKS" else " ").join(words)
    return settings


if __name__ == "__main__":
    sys.exit(main())
