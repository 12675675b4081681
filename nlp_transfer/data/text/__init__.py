"""Know scripts and languages: find words, sentences and the meaning of line breaks."""
