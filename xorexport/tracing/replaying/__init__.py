"""A function that was traced before, put op by op into the graph that is being traced: so its ops can be replaced.

A loaded SavedModel is such a function. A call of it would be one op, whose inside nobody is told of.
"""

from __future__ import annotations

from xorexport.tracing.replaying.replay import Replay

__all__ = ["Replay"]
