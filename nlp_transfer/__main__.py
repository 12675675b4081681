"""`python -m nlp_transfer`, also for `accelerate launch -m nlp_transfer run ...`."""

from nlp_transfer.cli import main

if __name__ == "__main__":
    main()
