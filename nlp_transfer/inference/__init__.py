"""Compute predictions in input order, and frozen activations that are stored and used again in every epoch."""
