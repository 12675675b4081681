"""Define the tasks that ship with nlp-transfer: a file for each, found by its name."""
