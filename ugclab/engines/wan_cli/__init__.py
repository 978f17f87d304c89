"""Wan2.2-Animate by its own two scripts, each segment a pair of subprocesses that are checked before they start."""
