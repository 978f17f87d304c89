"""The engine `remote`, against a second process."""
