"""Static word vectors: files of any format are read, checked, written once, and mapped into memory from then on."""
