"""Say what learning curves show: fits, findings with intervals, sentences, a figure."""
