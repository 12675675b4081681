"""Publish a run: its card, the tree of files that goes up, and the one commit that brings it there."""
