"""The web chat: a FastAPI application with Chainlit mounted at its root.

Only `server` is meant to be called from outside (``parsechat chat``). Importing this package
imports neither Chainlit nor FastAPI, so that the command line stays quick.
"""
