"""Run `nlp-transfer`, or `python -m nlp_transfer`, as a process of its own."""

from nlp_transfer.cli.process import run_alone as main

if __name__ == "__main__":
    main()
