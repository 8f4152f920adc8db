"""The parts of `experiments.speedrun`: settings, network, views, optimizer, training."""
