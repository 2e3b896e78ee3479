"""Runs: the stages of training, what they leave, and where it is found."""
