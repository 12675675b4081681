"""Models assembled from sources: encoders under the heads that tasks need."""
