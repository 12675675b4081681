"""Define the section `training`: how the loop runs, what it saves, and where it is tracked."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from nlp_transfer.config.base import Section
from nlp_transfer.config.fields import Positive, Rate, Seed, Share


def _refuse_repeated(seeds: list[int]) -> list[int]:
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"a seed stands twice in {seeds}; it would only run the same again")
    return seeds


class CheckpointConfig(Section):
    """When a training is saved so that it can be resumed; a finished run keeps no checkpoints."""

    steps: Positive | None = Field(None, description="Every so many optimizer steps.")
    minutes: float | None = Field(10.0, gt=0.0, description="Every so many minutes.")
    keep_last: Positive = Field(2, description="How many are kept; older ones are removed.")


Tracker = Literal["tensorboard", "trackio", "mlflow", "wandb"]


class TrainingConfig(Section):
    """How the loop runs."""

    epochs: Literal["auto"] | Positive = Field(
        "auto",
        description="Passes over the training rows; a solved head needs none. `auto`: enough for 200 optimizer steps, "
        "and 3 or more for pretrained networks, 20 for others, until validation stops getting better; of fewer than "
        "500 rows `full` and `lora` solve a new linear head first, and 60 steps are enough.",
    )
    batch_size: Positive = Field(32, description="Texts, or windows of long ones, per step, over all processes.")
    accumulation: Literal["auto"] | Positive = Field(
        "auto", description="Cut each batch in this many forward passes; `auto`: where they need much memory."
    )
    learning_rate: Literal["auto"] | Rate = Field(
        "auto", description="`auto`: a known-good rate per strategy. A solved head has none."
    )
    weight_decay: float = Field(0.01, ge=0.0, description="Not applied to biases, norms and embeddings.")
    warmup: Share = Field(0.1, description="Share of the steps with a rising rate.")
    head_warmup: Share | None = Field(
        None, description="The same for newly initialised modules (Liu & Lapata 2019, section 3.2); the same if unset."
    )
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="How the rate falls after the warm-up."
    )
    clip: float = Field(1.0, gt=0.0, description="Largest gradient norm.")
    selection: str = Field(
        "auto",
        description="Score on validation that chooses the checkpoint: `accuracy`, `macro_f1` or `mcc`; `chrf` or "
        "`bleu`; `rouge1`, `rouge2` or `rougeL`; `spearman` or `pearson`; `micro_f1`, `macro_f1`, `example_f1` or "
        "`subset_accuracy`; or one of `task.metrics`. `auto`: the first.",
    )
    patience: Positive | None = Field(None, description="Stop after this many epochs without a better validation.")
    sampling: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        1.0,
        description="Of several `tasks`: a task of n units gives batches in proportion to n to this power. 1: all of "
        "its rows once an epoch; 0: each task as many batches as any other.",
    )
    keep: Literal["shared", "each"] = Field(
        "shared",
        description="Of several `tasks`: the state with the best mean rank on validation, or for each its own best.",
    )
    label_smoothing: Share = Field(0.0, description="Share of the target spread over the other labels.")
    temperature: Literal["auto", "none"] = Field(
        "auto",
        description="`auto`: confidence is set by a temperature that validation fits, if it has 100 rows and can tell "
        "one, and without label_smoothing. It is part of the saved weights; which label is the likeliest stays.",
    )
    rebalance: Literal["none", "auto"] = Field(
        "none",
        description="`auto`, for labels of unlike frequency: logits are lowered by that share of the label's "
        "log-frequency, from 0 to 1, which validation likes best by `selection`, such as macro_f1; it needs 100 rows.",
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="`auto`: bf16 where a short trial shows the device to be faster with it."
    )
    seed: Seed = Field(0, description="Of new weights, dropout and the order of the rows.")
    seeds: Annotated[list[Seed], AfterValidator(_refuse_repeated)] | None = Field(
        None, min_length=2, description="Run once per seed; report mean and standard deviation."
    )
    gradient_checkpointing: bool = Field(False, description="Less memory for a third more time: layers run twice.")
    checkpoint: CheckpointConfig = Field(CheckpointConfig(), description="When to save, to be resumed.")
    tracker: Literal["none"] | Tracker | list[Tracker] = Field(
        "none",
        description="Where else to write losses, scores and configuration, each below the run folder and offline; one, "
        "or a list. history.jsonl always has the scores.",
    )
    threads: int | None = Field(None, ge=1, le=1024, description="CPU threads; by default the usable cores.")
    graphs: Literal["auto", "none"] = Field(
        "auto", description="`auto`: on a CUDA GPU steps are replayed as CUDA graphs, where that is possible and pays."
    )
