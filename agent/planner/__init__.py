"""The offline planner: everyday questions without any language model.

It reads a question with rules, plans tool calls, and writes the answer with references, behind
the interface of a LangChain chat model. What it does not understand it says.
"""

from agent.planner.model import OfflinePlanner

__all__ = ["OfflinePlanner"]
