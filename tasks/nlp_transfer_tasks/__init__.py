"""The tasks that ship with nlp-transfer: one file each, found by name."""
