"""The doors: each makes a request, and turns errors into what its caller understands."""
