"""Describe a run as it is written down: typed sections, YAML, names of shipped files, what a task declares of itself.

Nothing here loads torch, so a mistake in a configuration is answered at once.
"""
