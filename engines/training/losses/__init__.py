"""Loss functions of the trained networks."""
