"""Connections to the outside: only to addresses that were checked, only for so long, only so many bytes."""
