"""What is run around the package and never imported by it; needs nothing installed."""
