"""Read .resx, the string resources of .NET: every <data> with a text and no type of its own."""

from pathlib import Path

from nlp_transfer.data.formats.elements import read_elements
from nlp_transfer.data.formats.entries import Entries, Entry
from nlp_transfer.data.formats.records import Fault


def read_resx(file: Path) -> Entries:
    """Yield the texts of a file; what a designer stores (a type, or a name that opens with `>>` or `$`) is no text.

    See https://learn.microsoft.com/dotnet/core/extensions/create-resource-files
    """
    for number, _, data in read_elements(file, "root", lambda tag, _: tag == "data"):
        name, value = data.get("name", ""), data.find("value")
        if not name:
            yield Fault(number, "a <data> without a name")
        elif value is not None and not (data.get("type") or data.get("mimetype") or name.startswith((">>", "$"))):
            yield Entry(number, name, "".join(value.itertext()).strip())
