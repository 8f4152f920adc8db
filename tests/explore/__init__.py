"""Tests of the explorer: the network, the page, and what a browser makes of it."""
