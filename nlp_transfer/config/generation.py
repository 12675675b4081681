"""Define the options of tasks that write text: the decoder and its search. Nothing here imports torch."""

from typing import Annotated

from pydantic import Field, model_validator

from nlp_transfer.config.base import Section, TaskOptions

Positive = Annotated[int, Field(ge=1)]


class DecoderOptions(Section):
    """The decoder that an encoder-only source gets; a checkpoint that has one already keeps it."""

    source: str | None = Field(
        None, description="Checkpoint to start the decoder from, with its tokenizer (BERT2BERT); unset: a fresh one."
    )
    layers: Positive = Field(3, description="Of a fresh decoder.")
    width: Annotated[int, Field(ge=64, multiple_of=64)] = Field(256, description="Of a fresh decoder; 64 a head.")
    vocabulary: Annotated[int, Field(ge=300)] = Field(
        8000, description="Byte-level BPE tokens of a fresh decoder, learnt from the target side of train."
    )
    dropout: float = Field(0.1, ge=0.0, lt=1.0, description="In a fresh decoder.")

    @model_validator(mode="after")
    def _agree(self) -> "DecoderOptions":
        if self.source is not None and (idle := self.changed("layers", "width", "vocabulary", "dropout")):
            raise ValueError(f"{', '.join(idle)}: of a fresh decoder, not of one from a source; leave out either")
        return self


class GenerationOptions(Section):
    """How `model.generate` searches once training is over; an epoch is judged greedily."""

    beams: Positive = Field(4, description="Width of the beam; 1 is greedy.")
    length_penalty: float = Field(1.0, description="Above 0 long outputs are favoured, below 0 short ones.")
    no_repeat_ngram: int = Field(0, ge=0, description="No n-gram of this size occurs twice in an output; 0: allowed.")
    min_length: int = Field(0, ge=0, description="Tokens of an output at least.")

    @model_validator(mode="after")
    def _agree(self) -> "GenerationOptions":
        if self.beams == 1 and self.changed("length_penalty"):
            raise ValueError("length_penalty: of a beam search; leave it out with beams: 1, or ask for more beams")
        return self


class WritingOptions(TaskOptions):
    """Options of a task that writes text."""

    max_target_length: Positive = Field(128, description="Tokens of an output, special ones included.")
    source_language: str | None = Field(None, description="Code as a multilingual checkpoint's tokenizer spells it.")
    target_language: str | None = Field(None, description="Likewise; it is what the model is made to write first.")
    prefix: str = Field("", description="Put before every input text, as T5 checkpoints want.")
    decoder: DecoderOptions = Field(DecoderOptions(), description="See `task.decoder`.")
    generation: GenerationOptions = Field(GenerationOptions(), description="See `task.generation`.")

    @model_validator(mode="after")
    def _can_end(self) -> "WritingOptions":
        if self.generation.min_length >= self.max_target_length:
            raise ValueError("generation.min_length must be below max_target_length")
        return self
