"""Classify texts by topic, intent or anything else: `sentiment` under its general name."""

from nlp_transfer_tasks.sentiment import Sentiment, SentimentOptions


class ClassificationOptions(SentimentOptions):
    """Options for labels of any meaning: topics, tickets, intents."""


class Classification(Sentiment):
    """Map a text to a label of any meaning."""

    Options = ClassificationOptions
    example = "Write a text of your own here."  # fits labels of any subject
    options: ClassificationOptions
