"""Figures (plotly) and widgets (ipywidgets) made from records and DataFrames; they know nothing of training."""
