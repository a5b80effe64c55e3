"""How the system is run: the embedded engines, the command line, images, dashboards, benchmarks."""
