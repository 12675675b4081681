"""Any single-label text classification, of topics, tickets or intents: `sentiment` under its general name."""

from nlp_transfer_tasks.sentiment import Sentiment, SentimentOptions


class ClassificationOptions(SentimentOptions):
    """Options for labels of any meaning: topics, tickets, intents."""


class Classification(Sentiment):
    """Texts to labels of any meaning."""

    Options = ClassificationOptions
    example = "Write a text of your own here."  # of no subject, as the labels may be of any
    options: ClassificationOptions
