"""The engine `remote`: a segment swapped by another machine."""
