"""Define the section `data`: where the examples are, how files are read, and how splits are cut."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from nlp_transfer.config.base import Section
from nlp_transfer.config.dialect import Quoting, read_delimiter, read_encoding
from nlp_transfer.config.fields import Column, Place, Positive, Seed, Share


class DataConfig(Section):
    """Where the examples are; a missing split is cut from `train`."""

    train: Place = Field(description="File, folder, Hub id, `bundled:NAME`, or a text file for each column.")
    validation: Place | None = Field(None, description="The same; unset: cut from `train`, if it has none with labels.")
    test: Place | None = Field(None, description="The same; unset: cut from `train`, if it has none with labels.")
    unlabelled: Place | None = Field(
        None,
        description="Texts of the place where the model is to work, for `strategy.adaptation`: only the columns that "
        "are read to predict, or lines. `limit` leaves them as they are; of a place with splits it is train.",
    )
    columns: dict[str, Column] = Field(
        default_factory=dict, description="Role in the task -> column in the file; its number from 0 without a header."
    )
    header: bool = Field(True, description="Of .csv and .tsv: the first row names the columns.")
    delimiter: Annotated[str, AfterValidator(read_delimiter)] | None = Field(
        None,
        description="Between cells; unset: a comma in .csv, a tab in .tsv. Other text is a table where it is set.",
    )
    encoding: Annotated[str, AfterValidator(read_encoding)] | None = Field(
        None, description="Of text files of any kind, as cp1252 or utf-16; unset: UTF-8."
    )
    quoting: Quoting = Field(
        "auto",
        description="`minimal`: a cell may stand in quotes; `none`: a quote is a character. `auto`: `minimal`, but "
        "between tabs only where all of the file is written so.",
    )
    validation_share: Share = Field(0.1, gt=0.0, description="Share of train cut off when `validation` is missing.")
    test_share: Share = Field(0.1, gt=0.0, description="Share of train cut off when `test` is missing.")
    group: Column | None = Field(None, description="Column whose equal values stay in one split when splits are cut.")
    split_seed: Seed | Literal["seed"] = Field(
        0,
        description="Seed of the cut and of `limit`. `seed`: that of the training, so that each seed has its own cut.",
    )
    limit: Positive | None = Field(None, description="Use at most this many training rows (stratified, seeded).")
    limit_seed: Seed | Literal["seed"] | None = Field(
        None, description="Seed of `limit` alone, in the same words; the same as `split_seed` if unset."
    )
    on_missing: Literal["drop", "error"] = Field("drop", description="Rows with an empty text or a missing label.")
    labels: Literal["merged", "exact"] = Field(
        "merged",
        description="`merged`: spellings that differ by case, blanks, invisible characters or how an accent or a "
        "whole number is written are one label; `exact`: each is one.",
    )
    label_separator: Annotated[str, Field(min_length=1)] = Field(
        ",", description="Between the labels of a cell, for a task whose rows have several; not in lists."
    )
    max_labels: Annotated[int, Field(ge=2)] | None = Field(
        None, description="More are taken for a column of text. Unset: 1,000, and half as many as rows from 21 on."
    )
    on_unknown_label: Literal["error", "drop"] = Field(
        "error", description="Rows of validation and test whose label train does not have; `drop` leaves them out."
    )
    subset: str | None = Field(None, description="Which configuration of a Hub data set that has several.")
    revision: str | None = Field(None, description="Revision of a Hub data set.")

    @property
    def places(self) -> tuple[Place, ...]:
        """All places that are named."""
        return tuple(filter(None, (self.train, self.validation, self.test, self.unlabelled)))

    @property
    def follows_seed(self) -> bool:
        """Whether the rows of a split depend on the seed of the training."""
        return "seed" in (self.split_seed, self.limit_seed)
