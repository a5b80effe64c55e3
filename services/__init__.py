"""One package per department, and kpi that reads them all. They never import each other."""
