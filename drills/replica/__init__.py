"""The staging copy: regions, nodes, links and entries, and the providers that nodes are made of."""
