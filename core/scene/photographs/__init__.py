"""What solved photographs give in the scene: clouds of points, and their real size."""
