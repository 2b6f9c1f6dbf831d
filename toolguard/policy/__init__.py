"""Policies as people write them: the models, and loading with errors that name file, line and column."""
