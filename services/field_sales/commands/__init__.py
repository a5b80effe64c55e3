"""The acts of field sales: each loads, decides, stores and announces."""
