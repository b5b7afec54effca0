"""A body through its volume: occupancy around the root joint, its surface, and the body model fitted to that.

After BodyNet (Varol et al., ECCV 2018); see docs/methods/bodynet.md.
"""

from engines.methods.bodynet.lifter import BodyNetLifter, open_lifter

__all__ = ["BodyNetLifter", "open_lifter"]
