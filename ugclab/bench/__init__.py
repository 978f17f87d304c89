"""What work takes and costs: prices, calibrations, predictions, and the settings that fit a budget."""
