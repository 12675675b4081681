"""Define self-contained `transformers` models: they import nothing of this package, so they can be published."""
