"""What the model says of an object, written into its mesh."""
