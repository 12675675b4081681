"""File formats. A reader gives numbered rows in blocks, notes every fault with its line, and holds little."""
