"""Import the library for a verb, once its command line is known to be right."""

from nlp_transfer.system.garbage import keep_imports
from nlp_transfer.system.hiding import hide_packages

PICTURES = ("scipy", "sklearn", "PIL", "torchvision")  # transformers loads them to find things in pictures


def load_library(name: str, *, hidden: tuple[str, ...] = ()) -> None:
    """Import what a public name of the library stands for, which loads torch.

    Args:
        name: of the library.
        hidden: packages that transformers shall not load, because this verb needs none of what it uses them for.
    """
    import nlp_transfer

    with keep_imports(), hide_packages(*hidden):
        getattr(nlp_transfer, name)
