"""Trains variants of a recipe with several seeds and says which differ: plan and runner,
statistics, report."""
