"""BiomedParse v1 as plain PyTorch, loading the public checkpoint by its own names."""
