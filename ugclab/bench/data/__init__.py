"""Package data: prices, and calibration files by device."""
