"""Which conversation stands where: sides, scales that nest, capability labels, the leakage firewall."""
