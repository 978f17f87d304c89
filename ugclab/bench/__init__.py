"""What it costs: measured by scenario, compared between builds, predicted where nothing can be measured."""
