"""One file for each type of toxic; each registers itself, and all files here are found."""
