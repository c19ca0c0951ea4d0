"""Making the miniature models from nothing but seeds."""
