"""Prompting: what models are asked and in which form, techniques and their grid, prompts for real models."""
