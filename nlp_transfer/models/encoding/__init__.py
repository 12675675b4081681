"""Turn texts into batches: windows of tokens, pairs, batches of similar lengths; and tokens into text again."""
