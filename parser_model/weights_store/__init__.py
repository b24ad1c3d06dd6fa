"""Weights that do not come with the program: fetched once, checked, converted, then offline."""
