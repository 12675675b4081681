"""Read file formats: each reader yields numbered rows in blocks, notes every fault with its line, and holds little."""
