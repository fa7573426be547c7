"""The tools that the upstream runs itself: file search, code interpreter, and all others as function calls."""

from .calls import CALLS, HostedCall, McpCall
from .code_interpreter import CodeInterpreter
from .searches import FileSearchCall

__all__ = ["CALLS", "CodeInterpreter", "FileSearchCall", "HostedCall", "McpCall"]
