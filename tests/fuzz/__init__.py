"""Fuzzing: mutated, cut and random input for everything that reads what a user gives."""
