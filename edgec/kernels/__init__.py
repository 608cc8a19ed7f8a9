"""Kernels, one file a family: conditions, packing, scratch, cost, template.  `registry` finds them."""
