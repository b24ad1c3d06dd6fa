"""The GPU host: a parser behind HTTP. `parser_model.remote` is its client."""
