"""`nlp-transfer` and `python -m nlp_transfer` as a process of their own, also for `accelerate launch -m`."""

import os
import sys

from nlp_transfer.cli import commands as cli
from nlp_transfer.errors import ExhaustedError


def main() -> None:
    """Run the command line; where memory ran out, end at once: what libraries do at exit would need some, or crash."""
    try:
        cli.main()
    except SystemExit as leaving:
        if isinstance(leaving.__context__, MemoryError | ExhaustedError):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(ExhaustedError.exit_code)
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            from nlp_transfer.system.processes import end_process

            end_process(leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None))
        raise


if __name__ == "__main__":
    main()
