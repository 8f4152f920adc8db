"""PyTorch checkpoints and the names of its layers, without PyTorch."""
