"""Transfer learning for NLP: any pretrained source, any strategy, one interface.

Names are imported on first use, so that `import nlp_transfer` does not load torch.
"""

import importlib
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlp_transfer.config.base import Section as Section
    from nlp_transfer.config.base import TaskOptions as TaskOptions
    from nlp_transfer.config.dialect import Dialect as Dialect
    from nlp_transfer.config.generation import DecoderOptions as DecoderOptions
    from nlp_transfer.config.generation import GenerationOptions as GenerationOptions
    from nlp_transfer.config.generation import WritingOptions as WritingOptions
    from nlp_transfer.config.load import load_config as load_config
    from nlp_transfer.config.load import render as render
    from nlp_transfer.config.run import RunConfig as RunConfig
    from nlp_transfer.config.schema import config_schema as config_schema
    from nlp_transfer.config.shipped import ShippedConfig as ShippedConfig
    from nlp_transfer.config.shipped import list_configs as list_configs
    from nlp_transfer.config.tasks import RoleKind as RoleKind
    from nlp_transfer.config.tasks import Scores as Scores
    from nlp_transfer.data.bundled import DatasetInfo as DatasetInfo
    from nlp_transfer.data.bundled import list_datasets as list_datasets
    from nlp_transfer.data.rows import TaskRows as TaskRows
    from nlp_transfer.data.splits import Splits as Splits
    from nlp_transfer.data.text.languages import find_language as find_language
    from nlp_transfer.data.text.line_breaks import end_lines as end_lines
    from nlp_transfer.data.text.line_breaks import find_line_breaks as find_line_breaks
    from nlp_transfer.data.text.line_breaks import join_lines as join_lines
    from nlp_transfer.data.text.picking import pick_sentences as pick_sentences
    from nlp_transfer.data.text.sentences import join_sentences as join_sentences
    from nlp_transfer.data.text.sentences import split_sentences as split_sentences
    from nlp_transfer.errors import CheckpointError as CheckpointError
    from nlp_transfer.errors import ConfigError as ConfigError
    from nlp_transfer.errors import DataError as DataError
    from nlp_transfer.errors import DiskError as DiskError
    from nlp_transfer.errors import PublishError as PublishError
    from nlp_transfer.errors import SourceError as SourceError
    from nlp_transfer.errors import TrainingError as TrainingError
    from nlp_transfer.errors import TransferError as TransferError
    from nlp_transfer.evaluation.baselines import classification_baselines as classification_baselines
    from nlp_transfer.evaluation.correlations import correlation_each as correlation_each
    from nlp_transfer.evaluation.correlations import number_scores as number_scores
    from nlp_transfer.evaluation.curves.findings import MethodCurve as MethodCurve
    from nlp_transfer.evaluation.label_sets import choose_thresholds as choose_thresholds
    from nlp_transfer.evaluation.label_sets import label_set_baselines as label_set_baselines
    from nlp_transfer.evaluation.label_sets import label_set_f1 as label_set_f1
    from nlp_transfer.evaluation.label_sets import label_set_scores as label_set_scores
    from nlp_transfer.evaluation.label_sets import multi_hot as multi_hot
    from nlp_transfer.evaluation.metrics import classification_metric as classification_metric
    from nlp_transfer.evaluation.metrics import classification_scores as classification_scores
    from nlp_transfer.evaluation.number_baselines import number_baselines as number_baselines
    from nlp_transfer.evaluation.oracle import best_sentences as best_sentences
    from nlp_transfer.evaluation.oracle import sentence_targets as sentence_targets
    from nlp_transfer.evaluation.ranking import RankedSource as RankedSource
    from nlp_transfer.evaluation.text_metrics import rouge_each as rouge_each
    from nlp_transfer.evaluation.text_metrics import rouge_scores as rouge_scores
    from nlp_transfer.evaluation.text_metrics import sentence_chrf as sentence_chrf
    from nlp_transfer.evaluation.text_metrics import translation_scores as translation_scores
    from nlp_transfer.models.classification import balanced_importance as balanced_importance
    from nlp_transfer.models.classification import build_classifier as build_classifier
    from nlp_transfer.models.classification import choose_likeliest as choose_likeliest
    from nlp_transfer.models.classification import classification_logits as classification_logits
    from nlp_transfer.models.classification import classification_loss as classification_loss
    from nlp_transfer.models.classification import label_set_loss as label_set_loss
    from nlp_transfer.models.classification import mean_probabilities as mean_probabilities
    from nlp_transfer.models.classification import number_loss as number_loss
    from nlp_transfer.models.denoised import build_denoising as build_denoising
    from nlp_transfer.models.denoised import denoising_loss as denoising_loss
    from nlp_transfer.models.denoised import measure_mended as measure_mended
    from nlp_transfer.models.encoding.batches import Batch as Batch
    from nlp_transfer.models.encoding.batches import Encoded as Encoded
    from nlp_transfer.models.encoding.chunks import encode_chunks as encode_chunks
    from nlp_transfer.models.encoding.documents import encode_documents as encode_documents
    from nlp_transfer.models.encoding.masking import Masking as Masking
    from nlp_transfer.models.encoding.noising import Noise as Noise
    from nlp_transfer.models.encoding.pairs import encode_pairs as encode_pairs
    from nlp_transfer.models.encoding.pairs import set_languages as set_languages
    from nlp_transfer.models.encoding.text_pairs import encode_text_pairs as encode_text_pairs
    from nlp_transfer.models.encoding.tokenizers import Tokenizers as Tokenizers
    from nlp_transfer.models.extractive import build_extractive as build_extractive
    from nlp_transfer.models.extractive import encode_sentences as encode_sentences
    from nlp_transfer.models.extractive import sentence_loss as sentence_loss
    from nlp_transfer.models.extractive import sentence_scores as sentence_scores
    from nlp_transfer.models.generation import decode_texts as decode_texts
    from nlp_transfer.models.generation import generate as generate
    from nlp_transfer.models.generation import seq2seq_loss as seq2seq_loss
    from nlp_transfer.models.masked import build_masked as build_masked
    from nlp_transfer.models.masked import masked_loss as masked_loss
    from nlp_transfer.models.masked import measure_hidden as measure_hidden
    from nlp_transfer.models.seq2seq import build_seq2seq as build_seq2seq
    from nlp_transfer.models.source import LoadedModel as LoadedModel
    from nlp_transfer.models.source import Source as Source
    from nlp_transfer.models.vocabulary import add_new_words as add_new_words
    from nlp_transfer.runs.adapt import adapt as adapt
    from nlp_transfer.runs.answering.heads import TasksPredictor as TasksPredictor
    from nlp_transfer.runs.answering.heads import load_tasks as load_tasks
    from nlp_transfer.runs.answering.predict import evaluate as evaluate
    from nlp_transfer.runs.answering.predict import load as load
    from nlp_transfer.runs.answering.predict import predict as predict
    from nlp_transfer.runs.answering.predictor import Predictor as Predictor
    from nlp_transfer.runs.answering.shards import predict_in_shards as predict_in_shards
    from nlp_transfer.runs.check import CheckReport as CheckReport
    from nlp_transfer.runs.check import check as check
    from nlp_transfer.runs.compare import Comparison as Comparison
    from nlp_transfer.runs.compare import compare as compare
    from nlp_transfer.runs.curves.curve import Curve as Curve
    from nlp_transfer.runs.curves.curve import curve as curve
    from nlp_transfer.runs.demo import Demo as Demo
    from nlp_transfer.runs.demo import demo as demo
    from nlp_transfer.runs.doctor import Diagnosis as Diagnosis
    from nlp_transfer.runs.doctor import doctor as doctor
    from nlp_transfer.runs.drafting.init import Proposal as Proposal
    from nlp_transfer.runs.drafting.init import init as init
    from nlp_transfer.runs.estimator import TransferClassifier as TransferClassifier
    from nlp_transfer.runs.exporting.export import Exported as Exported
    from nlp_transfer.runs.exporting.export import export as export
    from nlp_transfer.runs.merging.merge import merge as merge
    from nlp_transfer.runs.publish import Publication as Publication
    from nlp_transfer.runs.publish import publish as publish
    from nlp_transfer.runs.ranking.rank import Ranking as Ranking
    from nlp_transfer.runs.ranking.rank import rank as rank
    from nlp_transfer.runs.report import Report as Report
    from nlp_transfer.runs.report import report as report
    from nlp_transfer.runs.result import RunResult as RunResult
    from nlp_transfer.runs.run import run as run
    from nlp_transfer.runs.searching.search import Search as Search
    from nlp_transfer.runs.searching.search import search as search
    from nlp_transfer.runs.several_tasks.compare_tasks import TasksComparison as TasksComparison
    from nlp_transfer.runs.several_tasks.compare_tasks import compare_tasks as compare_tasks
    from nlp_transfer.runs.several_tasks.run_several import TasksResult as TasksResult
    from nlp_transfer.runs.several_tasks.run_several import run_tasks as run_tasks
    from nlp_transfer.runs.unlabelled.label import ToLabel as ToLabel
    from nlp_transfer.runs.unlabelled.label import label as label
    from nlp_transfer.runs.unlabelled.shift import Shift as Shift
    from nlp_transfer.runs.unlabelled.shift import shift as shift
    from nlp_transfer.sources import SourceInfo as SourceInfo
    from nlp_transfer.sources import list_sources as list_sources
    from nlp_transfer.sources.vectors.continuing import AdaptedVectors as AdaptedVectors
    from nlp_transfer.sources.vectors.table import import_vectors as import_vectors
    from nlp_transfer.sources.vectors.word2vec import train_vectors as train_vectors
    from nlp_transfer.task import Baseline as Baseline
    from nlp_transfer.task import Prediction as Prediction
    from nlp_transfer.task import Task as Task

__version__ = "0.2.0"
_HOME = {
    "classification_baselines": "evaluation.baselines",
    "correlation_each": "evaluation.correlations",
    "number_scores": "evaluation.correlations",
    "number_baselines": "evaluation.number_baselines",
    "Masking": "models.encoding.masking",
    "Noise": "models.encoding.noising",
    "encode_chunks": "models.encoding.chunks",
    "build_masked": "models.masked",
    "masked_loss": "models.masked",
    "measure_hidden": "models.masked",
    "build_denoising": "models.denoised",
    "denoising_loss": "models.denoised",
    "measure_mended": "models.denoised",
    "add_new_words": "models.vocabulary",
    "Batch": "models.encoding.batches",
    "Encoded": "models.encoding.batches",
    "DatasetInfo": "data.bundled",
    "list_datasets": "data.bundled",
    "adapt": "runs.adapt",
    "CheckReport": "runs.check",
    "check": "runs.check",
    "Comparison": "runs.compare",
    "compare": "runs.compare",
    "TasksComparison": "runs.several_tasks.compare_tasks",
    "compare_tasks": "runs.several_tasks.compare_tasks",
    "Curve": "runs.curves.curve",
    "curve": "runs.curves.curve",
    "MethodCurve": "evaluation.curves.findings",
    "RunConfig": "config.run",
    "config_schema": "config.schema",
    "Dialect": "config.dialect",
    "load_config": "config.load",
    "render": "config.load",
    "Splits": "data.splits",
    "TaskRows": "data.rows",
    "Demo": "runs.demo",
    "demo": "runs.demo",
    "Diagnosis": "runs.doctor",
    "doctor": "runs.doctor",
    "TransferClassifier": "runs.estimator",
    "Exported": "runs.exporting.export",
    "export": "runs.exporting.export",
    "encode_documents": "models.encoding.documents",
    "CheckpointError": "errors",
    "ConfigError": "errors",
    "DataError": "errors",
    "DiskError": "errors",
    "PublishError": "errors",
    "SourceError": "errors",
    "TrainingError": "errors",
    "TransferError": "errors",
    "choose_thresholds": "evaluation.label_sets",
    "label_set_baselines": "evaluation.label_sets",
    "label_set_f1": "evaluation.label_sets",
    "label_set_scores": "evaluation.label_sets",
    "multi_hot": "evaluation.label_sets",
    "best_sentences": "evaluation.oracle",
    "pick_sentences": "data.text.picking",
    "sentence_targets": "evaluation.oracle",
    "Publication": "runs.publish",
    "publish": "runs.publish",
    "find_language": "data.text.languages",
    "end_lines": "data.text.line_breaks",
    "find_line_breaks": "data.text.line_breaks",
    "join_lines": "data.text.line_breaks",
    "classification_metric": "evaluation.metrics",
    "classification_scores": "evaluation.metrics",
    "balanced_importance": "models.classification",
    "build_classifier": "models.classification",
    "choose_likeliest": "models.classification",
    "classification_logits": "models.classification",
    "classification_loss": "models.classification",
    "label_set_loss": "models.classification",
    "mean_probabilities": "models.classification",
    "number_loss": "models.classification",
    "build_extractive": "models.extractive",
    "encode_sentences": "models.extractive",
    "sentence_loss": "models.extractive",
    "sentence_scores": "models.extractive",
    "build_seq2seq": "models.seq2seq",
    "decode_texts": "models.generation",
    "encode_pairs": "models.encoding.pairs",
    "encode_text_pairs": "models.encoding.text_pairs",
    "generate": "models.generation",
    "seq2seq_loss": "models.generation",
    "set_languages": "models.encoding.pairs",
    "rouge_each": "evaluation.text_metrics",
    "rouge_scores": "evaluation.text_metrics",
    "sentence_chrf": "evaluation.text_metrics",
    "translation_scores": "evaluation.text_metrics",
    "DecoderOptions": "config.generation",
    "GenerationOptions": "config.generation",
    "WritingOptions": "config.generation",
    "Proposal": "runs.drafting.init",
    "init": "runs.drafting.init",
    "merge": "runs.merging.merge",
    "ToLabel": "runs.unlabelled.label",
    "label": "runs.unlabelled.label",
    "Predictor": "runs.answering.predictor",
    "evaluate": "runs.answering.predict",
    "load": "runs.answering.predict",
    "predict": "runs.answering.predict",
    "predict_in_shards": "runs.answering.shards",
    "RankedSource": "evaluation.ranking",
    "Ranking": "runs.ranking.rank",
    "rank": "runs.ranking.rank",
    "Report": "runs.report",
    "report": "runs.report",
    "RunResult": "runs.result",
    "run": "runs.run",
    "Search": "runs.searching.search",
    "search": "runs.searching.search",
    "TasksPredictor": "runs.answering.heads",
    "load_tasks": "runs.answering.heads",
    "TasksResult": "runs.several_tasks.run_several",
    "run_tasks": "runs.several_tasks.run_several",
    "Shift": "runs.unlabelled.shift",
    "shift": "runs.unlabelled.shift",
    "join_sentences": "data.text.sentences",
    "split_sentences": "data.text.sentences",
    "ShippedConfig": "config.shipped",
    "list_configs": "config.shipped",
    "LoadedModel": "models.source",
    "Source": "models.source",
    "SourceInfo": "sources",
    "list_sources": "sources",
    "AdaptedVectors": "sources.vectors.continuing",
    "import_vectors": "sources.vectors.table",
    "train_vectors": "sources.vectors.word2vec",
    "Baseline": "task",
    "Prediction": "task",
    "RoleKind": "config.tasks",
    "Scores": "config.tasks",
    "Section": "config.base",
    "Task": "task",
    "TaskOptions": "config.base",
    "Tokenizers": "models.encoding.tokenizers",
}
_importing = threading.RLock()
__all__ = sorted(_HOME)  # noqa: PLE0605 - the names above, in one place


def __dir__() -> list[str]:
    """List the public names for completion: they are not there before their first use, and what makes them is."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


def __getattr__(name: str) -> Any:
    """Import a public name from the module it lives in, one thread at a time.

    Libraries whose modules import each other in a circle, as Accelerate's do, break where two threads begin with them.
    """
    if name not in _HOME:
        raise AttributeError(f"module 'nlp_transfer' has no attribute '{name}'")
    with _importing:
        return getattr(importlib.import_module(f"nlp_transfer.{_HOME[name]}"), name)
