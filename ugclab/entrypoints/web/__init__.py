"""What every HTTP door shares: answers to errors, the guard against other sites, bytes in and out."""
