"""Deal with the machine and what is on it: disks, caches, the network, processes, signals, memory, number formats.

Nothing here knows what a model or a task is.
"""
