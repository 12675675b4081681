"""Read and write texts by the two SentencePiece models of a Marian, in the way of a `Tokenizer`."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace


class Pieces:
    """Cut texts into pieces by one model, and join pieces by the other; a vocabulary gives them their ids."""

    def __init__(self, folder: Path) -> None:
        """Open the files."""
        from sentencepiece import SentencePieceProcessor

        self.source, self.target = (
            SentencePieceProcessor(str(folder / f"{side}.spm")) for side in ("source", "target")
        )
        self.ids: dict[str, int] = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
        self.pieces: dict[int, str] = {number: piece for piece, number in self.ids.items()}
        self.special = {"<unk>", "<s>", "</s>", "<pad>"}

    def encode_batch(self, texts: Sequence[str], add_special_tokens: bool = False) -> list[SimpleNamespace]:  # noqa: ARG002
        """Read the ids of texts; a code of the target language, such as >>fr<<, stands before a text."""
        return [
            SimpleNamespace(ids=[self.ids.get(piece, self.ids["<unk>"]) for piece in self._cut(one)]) for one in texts
        ]

    def _cut(self, text: str) -> list[str]:
        end = text.find("<<") + 2 if text.startswith(">>") and "<<" in text else 0
        return [*[text[:end]] * bool(end), *self.source.encode(text[end:], out_type=str)]

    def token_to_id(self, piece: str) -> int | None:
        """Find the id of a piece."""
        return self.ids.get(piece)

    def id_to_token(self, number: int) -> str:
        """Find the piece of an id."""
        return self.pieces[number]

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:  # noqa: ARG002
        """Join the pieces of ids to a text."""
        text: str = self.target.decode([self.pieces[one] for one in ids if self.pieces[one] not in self.special])
        return text
