"""The bundled parser: a small text-conditioned network that ships with the package."""
