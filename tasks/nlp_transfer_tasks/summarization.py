"""Summarize documents, by picking their sentences (extractive) or by writing new text (abstractive)."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

import nlp_transfer as nt

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from nlp_transfer import Batch, Encoded, LoadedModel, Prediction, RoleKind, Scores, Source, TaskRows, Tokenizers

Length = Annotated[int, Field(ge=8, le=8192)]
LOOKED_AT = 1000  # texts of train that show the language and the line breaks of all
TAG = re.compile(r"auto|[A-Za-z]{2}([-_][A-Za-z0-9]{2,8})*")
UNUSED_BY_STYLE = {  # style -> the options that it does not use
    "extractive": (*sorted(nt.WritingOptions.model_fields.keys() - nt.TaskOptions.model_fields), "long_documents"),
    "abstractive": ("max_sentences", "trigram_blocking", "scorer"),
}


def _check_tag(language: str) -> str:
    if not TAG.fullmatch(language):
        raise ValueError("expected a tag that opens with the two letters of ISO 639-1, such as de or pt-BR")
    return language


class ScorerOptions(nt.Section):
    """The head that scores sentences."""

    width: Annotated[int, Field(ge=4, multiple_of=4)] = Field(128, description="Units of the head.")
    layers: int = Field(1, ge=0, description="In which sentences attend to each other; 0 scores each alone.")
    dropout: float = Field(0.1, ge=0.0, lt=1.0, description="In the head.")
    encoder_layers: Literal["auto", "last", "last_four"] = Field(
        "auto",
        description="What the head reads: the last layer, or the mean of the last four. auto: that of a frozen "
        "checkpoint, else the last.",
    )


class SummarizationOptions(nt.WritingOptions):
    """Options of the summarization task."""

    style: Literal["extractive", "abstractive"] = Field(
        "extractive", description="`extractive`: pick sentences; `abstractive`: write a summary."
    )
    sentences: Annotated[int, Field(ge=1)] = Field(1, description="Of an extractive summary, and of the baselines.")
    language: Annotated[str, AfterValidator(_check_tag)] | None = Field(
        "auto",
        description="Of the texts, such as `de` or `pt-BR`: its abbreviations, ordinals and dates end no sentence. "
        "`auto`: that of most rows of train, saved with the run; null: what holds in all languages.",
    )
    line_breaks: Literal["auto", "sentence", "space"] = Field(
        "auto",
        description="`sentence`: each ends one, as in dialogues and lists; `space`: lines are wrapped. "
        "`auto`: as in most rows of train, saved with the run.",
    )
    max_length: Length = Field(512, description="Of a text or window in tokens, special ones too.")
    max_sentences: Annotated[int, Field(ge=1, le=1000)] = Field(
        500, description="Extractive: sentences behind these are not read."
    )
    trigram_blocking: bool = Field(False, description="Extractive: pass over sentences that repeat three words.")
    scorer: ScorerOptions = Field(ScorerOptions(), description="Extractive; see `task.scorer`.")
    max_target_length: Annotated[int, Field(ge=4, le=8192)] = Field(
        64, description="Abstractive: tokens of a summary, special ones included."
    )
    long_documents: Literal["head", "chunks"] = Field(
        "head",
        description="Abstractive: keep the head; or summarize windows that overlap by half (8 at most) and join the "
        "results. In training each window aims at the whole summary.",
    )

    @model_validator(mode="after")
    def _agree(self) -> "SummarizationOptions":
        """Refuse settings that the style would ignore."""
        if idle := self.changed(*UNUSED_BY_STYLE[self.style]):
            raise ValueError(f"{', '.join(idle)}: of no use for style: {self.style}; leave out or change the style")
        return self


class Summarization(nt.Task):
    """Map a document, a text or a list of sentences, to a summary. Of several references the first trains a writer."""

    Options = SummarizationOptions
    roles: ClassVar[dict[str, "RoleKind"]] = {"text": "texts", "summary": "texts"}
    selection = "rouge1"
    shown = ("rouge1", "rouge2", "rougeL")
    points = 1.0
    ceilings = ("oracle",)
    settled = ("language", "line_breaks")
    length_option = "max_length"
    pipeline_tag = "summarization"
    hub_metrics: ClassVar[dict[str, str]] = {"rouge1": "rouge", "rouge2": "rouge", "rougeL": "rouge"}
    example = "The function opens a file. It returns its lines. An empty file gives an empty list."
    options: SummarizationOptions
    _last: "tuple[TaskRows | None, list[list[str]]]" = (None, [])  # rows, and their sentences

    @property
    def auto_class(self) -> str:
        """The class that loads the model; a scorer of sentences is an architecture of our own."""
        return "AutoModel" if self._extractive else "AutoModelForSeq2SeqLM"

    @property
    def sample(self) -> int | None:
        """How many validation examples judge an epoch; all (None) if sentences are picked, which is fast."""
        return None if self._extractive else 200

    @property
    def _extractive(self) -> bool:
        return self.options.style == "extractive"

    def settle(self, rows: "TaskRows") -> SummarizationOptions:
        """Find the language of the texts, and whether line breaks end sentences."""
        options = self.options
        texts = rows["text"][:: 1 + len(rows) // LOOKED_AT]
        found = {}
        if options.language == "auto":
            found["language"] = nt.find_language([" ".join(text) for text in texts])
        if options.line_breaks == "auto":
            found["line_breaks"] = nt.find_line_breaks([text[0] for text in texts if len(text) == 1])
        return options.model_copy(update=found)

    def _list_sentences(self, rows: "TaskRows") -> list[list[str]]:
        """Split each document into the sentences to read, and one more, which shows that there are others.

        The last result is kept, because validation asks for it in every epoch.
        """
        if rows is not self._last[0]:
            most = self.options.max_sentences + 1
            texts = rows["text"][:]
            self._last = rows, [self._split(text[0], most) if len(text) == 1 else text[:most] for text in texts]
        return self._last[1]

    def _split(self, text: str, most: int) -> list[str]:
        """Split a text into sentences. In old runs both options may be `auto`, and are not known."""
        language, line_breaks = self.options.language, self.options.line_breaks
        lines = nt.end_lines(text) if line_breaks == "sentence" else text
        return nt.split_sentences(lines, language=None if language == "auto" else language, most=most)

    def _unwrap(self, text: list[str]) -> str:
        """Join the text that a writer reads: wrapped lines are joined too, but turns and items keep their lines."""
        joined = nt.join_sentences(text)
        return nt.join_lines(joined) if self.options.line_breaks == "space" else joined

    def build(self, source: "Source", rows: "TaskRows", *, frozen: bool) -> "LoadedModel":
        """Build a sentence scorer, or an encoder with a decoder."""
        options = self.options
        if self._extractive:
            return nt.build_extractive(source, frozen=frozen, **options.scorer.model_dump())
        return nt.build_seq2seq(
            source,
            [references[0] for references in rows["summary"][:]],
            decoder=options.decoder,
            generation=options.generation,
            max_target_length=options.max_target_length,
            languages=(options.source_language, options.target_language),
        )

    def encode(self, rows: "TaskRows", tokenizers: "Tokenizers", *, training: bool = False) -> "Encoded":
        """Tokenize. The targets of a scorer are the sentences nearest to a reference."""
        options = self.options
        references = rows["summary"][:] if training else None
        if not self._extractive:
            nt.set_languages(tokenizers, options.source_language, options.target_language)
            return nt.encode_pairs(
                [self._unwrap(text) for text in rows["text"][:]],
                None if references is None else [several[0] for several in references],
                tokenizers,
                max_length=options.max_length,
                max_target_length=options.max_target_length,
                policy="window" if options.long_documents == "chunks" else "head",
                prefix=options.prefix,
            )

        documents = self._list_sentences(rows)
        targets = None
        if references is not None:
            pairs = zip(documents, references, strict=True)
            targets = [
                nt.sentence_targets(text[: options.max_sentences], several, options.sentences)
                for text, several in pairs
            ]

        return nt.encode_sentences(
            documents,
            tokenizers.source,
            max_length=options.max_length,
            max_sentences=options.max_sentences,
            targets=targets,
        )

    def loss(self, model: "torch.nn.Module", batch: "Batch", *, smoothing: float) -> "torch.Tensor":
        """Compute the cross-entropy over the sentences of a document, or over the tokens of its summary."""
        return (nt.sentence_loss if self._extractive else nt.seq2seq_loss)(model, batch, smoothing=smoothing)

    def infer(self, model: "PreTrainedModel", batch: "Batch", *, quick: bool = False) -> list[Any]:
        """Compute a score for each sentence; or generate token ids, greedily to judge an epoch."""
        return nt.sentence_scores(model, batch) if self._extractive else nt.generate(model, batch, quick=quick)

    def decode(
        self, results: "Sequence[Sequence[Any]]", rows: "TaskRows", tokenizers: "Tokenizers"
    ) -> list["Prediction"]:
        """Pick the best sentences in the order of the document, or decode token ids to text."""
        if not self._extractive:
            return [{"summary": said, "sentences": []} for said in nt.decode_texts(results, tokenizers)]

        most, blocking = self.options.sentences, self.options.trigram_blocking
        said = []
        for units, text in zip(results, self._list_sentences(rows), strict=True):
            scores = [float(score) for unit in units for score in unit]
            said.append(_extract(text, nt.pick_sentences(scores, text, most, trigram_blocking=blocking)))
        return said

    def score(self, predictions: "Sequence[Prediction]", rows: "TaskRows") -> "Scores":
        """Compute ROUGE-1, -2 and -L against the best reference."""
        return nt.rouge_scores(_list_summaries(predictions), rows["summary"][:])

    def hits(self, predictions: "Sequence[Prediction]", rows: "TaskRows") -> list[float]:
        """Compute the ROUGE-1 of each example."""
        found: list[float] = nt.rouge_each(_list_summaries(predictions), rows["summary"][:])[:, 0].tolist()
        return found

    def references(self, rows: "TaskRows") -> list["Prediction"] | None:
        """Return the first reference of each row; None if sentences are picked, because nothing is written."""
        if self._extractive:
            return None
        return [{"summary": several[0], "sentences": []} for several in rows["summary"][:]]

    def simple(self, rows: "TaskRows") -> "dict[str, list[Prediction]]":
        """Pick the first sentences (`lead`), and those nearest to a reference by ROUGE-1 (`oracle`, a ceiling)."""
        texts, most = self._list_sentences(rows), self.options.sentences
        return {
            "lead": [_extract(text, range(min(most, len(text)))) for text in texts],
            "oracle": [
                _extract(text, nt.best_sentences(text, references, most, by=("rouge1",)))
                for text, references in zip(texts, rows["summary"][:], strict=True)
            ],
        }


def _extract(text: "Sequence[str]", chosen: "Sequence[int]") -> "Prediction":
    return {"summary": nt.join_sentences([text[index] for index in chosen]), "sentences": list(chosen)}


def _list_summaries(predictions: "Sequence[Prediction]") -> list[str]:
    return [str(one["summary"]) for one in predictions]
