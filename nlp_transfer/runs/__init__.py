"""Run, compare, check, adapt, report and publish, a file each, or a folder where a verb needs several.

`prepare`, `train`, `conclude` and `measure` are the parts of a run; `folder`, `result` and `resume` make and read what
it leaves.
"""
