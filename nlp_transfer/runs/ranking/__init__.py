"""Rank sources for a task by features of a few rows, before any of them is trained."""
