"""Merge finished runs into one model by their weights."""
