"""The steps of a solve: what is read, which cameras are believed, and what the user must know."""
