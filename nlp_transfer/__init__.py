"""Transfer learning for NLP: any pretrained source, any strategy, one interface.

Names are imported on first use, so that `import nlp_transfer` does not load torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlp_transfer.baselines import classification_baselines as classification_baselines
    from nlp_transfer.batching import Batch as Batch
    from nlp_transfer.batching import Encoded as Encoded
    from nlp_transfer.bundled import DatasetInfo as DatasetInfo
    from nlp_transfer.bundled import list_datasets as list_datasets
    from nlp_transfer.checking import CheckReport as CheckReport
    from nlp_transfer.checking import check as check
    from nlp_transfer.comparing import Comparison as Comparison
    from nlp_transfer.comparing import compare as compare
    from nlp_transfer.config import RunConfig as RunConfig
    from nlp_transfer.config import config_schema as config_schema
    from nlp_transfer.config import load_config as load_config
    from nlp_transfer.config import render as render
    from nlp_transfer.data import Splits as Splits
    from nlp_transfer.declaring import RoleKind as RoleKind
    from nlp_transfer.declaring import Scores as Scores
    from nlp_transfer.diagnosing import Diagnosis as Diagnosis
    from nlp_transfer.diagnosing import doctor as doctor
    from nlp_transfer.documents import encode_documents as encode_documents
    from nlp_transfer.errors import CheckpointError as CheckpointError
    from nlp_transfer.errors import ConfigError as ConfigError
    from nlp_transfer.errors import DataError as DataError
    from nlp_transfer.errors import DiskError as DiskError
    from nlp_transfer.errors import PublishError as PublishError
    from nlp_transfer.errors import SourceError as SourceError
    from nlp_transfer.errors import TrainingError as TrainingError
    from nlp_transfer.errors import TransferError as TransferError
    from nlp_transfer.extracts import best_sentences as best_sentences
    from nlp_transfer.extracts import pick_sentences as pick_sentences
    from nlp_transfer.extracts import sentence_targets as sentence_targets
    from nlp_transfer.hub import Publication as Publication
    from nlp_transfer.hub import publish as publish
    from nlp_transfer.languages import find_language as find_language
    from nlp_transfer.line_breaks import end_lines as end_lines
    from nlp_transfer.line_breaks import find_line_breaks as find_line_breaks
    from nlp_transfer.line_breaks import join_lines as join_lines
    from nlp_transfer.metrics import classification_metric as classification_metric
    from nlp_transfer.metrics import classification_scores as classification_scores
    from nlp_transfer.models.classification import balanced_importance as balanced_importance
    from nlp_transfer.models.classification import build_classifier as build_classifier
    from nlp_transfer.models.classification import classification_logits as classification_logits
    from nlp_transfer.models.classification import classification_loss as classification_loss
    from nlp_transfer.models.classification import mean_probabilities as mean_probabilities
    from nlp_transfer.models.extractive import build_extractive as build_extractive
    from nlp_transfer.models.extractive import encode_sentences as encode_sentences
    from nlp_transfer.models.extractive import sentence_loss as sentence_loss
    from nlp_transfer.models.extractive import sentence_scores as sentence_scores
    from nlp_transfer.models.generation import decode_texts as decode_texts
    from nlp_transfer.models.generation import generate as generate
    from nlp_transfer.models.generation import seq2seq_loss as seq2seq_loss
    from nlp_transfer.models.seq2seq import build_seq2seq as build_seq2seq
    from nlp_transfer.models.source import LoadedModel as LoadedModel
    from nlp_transfer.models.source import Source as Source
    from nlp_transfer.pairs import encode_pairs as encode_pairs
    from nlp_transfer.pairs import set_languages as set_languages
    from nlp_transfer.prediction import Predictor as Predictor
    from nlp_transfer.prediction import evaluate as evaluate
    from nlp_transfer.prediction import load as load
    from nlp_transfer.results import RunResult as RunResult
    from nlp_transfer.running import run as run
    from nlp_transfer.sections_base import Section as Section
    from nlp_transfer.sections_base import TaskOptions as TaskOptions
    from nlp_transfer.sentences import join_sentences as join_sentences
    from nlp_transfer.sentences import split_sentences as split_sentences
    from nlp_transfer.shipped import ShippedConfig as ShippedConfig
    from nlp_transfer.shipped import list_configs as list_configs
    from nlp_transfer.sources import SourceInfo as SourceInfo
    from nlp_transfer.sources import list_sources as list_sources
    from nlp_transfer.sources.vectors import import_vectors as import_vectors
    from nlp_transfer.sources.word2vec import train_vectors as train_vectors
    from nlp_transfer.task import Baseline as Baseline
    from nlp_transfer.task import Prediction as Prediction
    from nlp_transfer.task import Task as Task
    from nlp_transfer.text_metrics import rouge_each as rouge_each
    from nlp_transfer.text_metrics import rouge_scores as rouge_scores
    from nlp_transfer.text_metrics import sentence_chrf as sentence_chrf
    from nlp_transfer.text_metrics import translation_scores as translation_scores
    from nlp_transfer.token_pair import Tokenizers as Tokenizers
    from nlp_transfer.writing import DecoderOptions as DecoderOptions
    from nlp_transfer.writing import GenerationOptions as GenerationOptions
    from nlp_transfer.writing import WritingOptions as WritingOptions

_HOME = {
    "classification_baselines": "baselines",
    "Batch": "batching",
    "Encoded": "batching",
    "DatasetInfo": "bundled",
    "list_datasets": "bundled",
    "CheckReport": "checking",
    "check": "checking",
    "Comparison": "comparing",
    "compare": "comparing",
    "RunConfig": "config",
    "config_schema": "config",
    "load_config": "config",
    "render": "config",
    "Splits": "data",
    "Diagnosis": "diagnosing",
    "doctor": "diagnosing",
    "encode_documents": "documents",
    "CheckpointError": "errors",
    "ConfigError": "errors",
    "DataError": "errors",
    "DiskError": "errors",
    "PublishError": "errors",
    "SourceError": "errors",
    "TrainingError": "errors",
    "TransferError": "errors",
    "best_sentences": "extracts",
    "pick_sentences": "extracts",
    "sentence_targets": "extracts",
    "Publication": "hub",
    "publish": "hub",
    "find_language": "languages",
    "end_lines": "line_breaks",
    "find_line_breaks": "line_breaks",
    "join_lines": "line_breaks",
    "classification_metric": "metrics",
    "classification_scores": "metrics",
    "balanced_importance": "models.classification",
    "build_classifier": "models.classification",
    "classification_logits": "models.classification",
    "classification_loss": "models.classification",
    "mean_probabilities": "models.classification",
    "build_extractive": "models.extractive",
    "encode_sentences": "models.extractive",
    "sentence_loss": "models.extractive",
    "sentence_scores": "models.extractive",
    "build_seq2seq": "models.seq2seq",
    "decode_texts": "models.generation",
    "encode_pairs": "pairs",
    "generate": "models.generation",
    "seq2seq_loss": "models.generation",
    "set_languages": "pairs",
    "rouge_each": "text_metrics",
    "rouge_scores": "text_metrics",
    "sentence_chrf": "text_metrics",
    "translation_scores": "text_metrics",
    "DecoderOptions": "writing",
    "GenerationOptions": "writing",
    "WritingOptions": "writing",
    "Predictor": "prediction",
    "evaluate": "prediction",
    "load": "prediction",
    "RunResult": "results",
    "run": "running",
    "join_sentences": "sentences",
    "split_sentences": "sentences",
    "ShippedConfig": "shipped",
    "list_configs": "shipped",
    "LoadedModel": "models.source",
    "Source": "models.source",
    "SourceInfo": "sources",
    "list_sources": "sources",
    "import_vectors": "sources.vectors",
    "train_vectors": "sources.word2vec",
    "Baseline": "task",
    "Prediction": "task",
    "RoleKind": "declaring",
    "Scores": "declaring",
    "Section": "sections_base",
    "Task": "task",
    "TaskOptions": "sections_base",
    "Tokenizers": "token_pair",
}
__all__ = sorted(_HOME)  # noqa: PLE0605 - the names above, in one place


def __dir__() -> list[str]:
    """List the public names too, for completion: they are not there before their first use."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Import a public name from the module it lives in."""
    if name not in _HOME:
        raise AttributeError(f"module 'nlp_transfer' has no attribute '{name}'")
    return getattr(importlib.import_module(f"nlp_transfer.{_HOME[name]}"), name)
