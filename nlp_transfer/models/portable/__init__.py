"""Self-contained `transformers` models; they import nothing of this package, so they travel with what is published."""
