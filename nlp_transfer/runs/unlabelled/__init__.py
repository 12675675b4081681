"""Look at texts without labels: does a run hold there, and which rows to label next?"""
