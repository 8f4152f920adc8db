"""Tests of the explorer: the network, the page, and the page in a browser."""
