"""Bytes <-> frames: probing, reading, writing, stitching."""
