"""Measurements of speed and memory, kept out of the tests."""
