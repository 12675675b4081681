"""`nlp-transfer` and `python -m nlp_transfer` as a process of their own, also for `accelerate launch -m`."""

import os
import sys

from nlp_transfer import cli


def main() -> None:
    """Run the command line; where memory ran out, end at once: what libraries do at exit would need some, or crash."""
    try:
        cli.main()
    except SystemExit as leaving:
        error = leaving.__context__
        if isinstance(error, MemoryError) or isinstance(error and error.__cause__, MemoryError):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(5)
        raise


if __name__ == "__main__":
    main()
