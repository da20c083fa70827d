"""One module per output: each takes what was read and returns text. None touches the disk."""
