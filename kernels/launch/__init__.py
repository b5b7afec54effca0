"""Launchers: the functions of `kernels` for arrays that live on a device, one module per CUDA source.

Each checks device, type, shape and alignment in words, launches on the caller's stream and returns at once: results are
ready when the stream gets there.
"""
