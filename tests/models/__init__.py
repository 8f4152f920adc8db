"""The model zoo, and what can be said of any model."""
