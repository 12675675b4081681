"""Import the library for a verb, once its command line is known to be right."""

from nlp_transfer.system.garbage import keep_imports


def load_library(name: str) -> None:
    """Import what a public name of the library stands for, which loads torch."""
    import nlp_transfer

    with keep_imports():
        getattr(nlp_transfer, name)
