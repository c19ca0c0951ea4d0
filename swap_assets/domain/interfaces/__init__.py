"""How a hosted model is asked natively (tools, JSON Schema), and which interface counts."""
