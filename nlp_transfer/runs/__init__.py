"""Run, compare, check, predict, publish and doctor, a file each; and the files that make and read a run folder."""
