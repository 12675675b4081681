"""A run as it is written down: sections with types, YAML, names of shipped files, and what a task declares of itself.

Nothing here loads torch, so a mistake in a configuration is answered at once.
"""
