"""Interchangeable implementations of a job type, one file or folder per tool."""
