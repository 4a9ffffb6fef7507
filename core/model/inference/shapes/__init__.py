"""The shape space at work: coding, completing, varying and generating shapes."""
