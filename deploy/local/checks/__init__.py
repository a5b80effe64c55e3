"""What `themodel doctor` looks at, one module a part of the system."""
