"""Wan2.2-Animate resident: loaded once by diffusers, for all segments and jobs."""
