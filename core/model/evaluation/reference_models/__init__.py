"""Others' architectures, written anew from their papers with random weights: for their time beside ours, no more."""
