"""Making the demo's miniature models; not shipped with the package."""
