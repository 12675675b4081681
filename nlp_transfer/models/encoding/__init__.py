"""Texts to batches: documents to windows of tokens, pairs, batches of like lengths; and tokens to text again."""
