"""What is known of scripts and languages: words, sentences, line breaks."""
