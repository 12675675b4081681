"""From places to splits: files and data sets are read, labels named, missing splits cut, and all of it reported."""
