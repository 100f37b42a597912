"""What a module does with Ray, understood by following its names and values once from top to bottom."""
