"""What the end-to-end tests stand on: a cluster, a pooler, a wire and a scripted backend."""
