"""Tests of the model zoo, summaries and intermediates."""
