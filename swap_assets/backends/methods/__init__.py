"""Training methods: how an adapter is made from examples."""
