"""The Grafana dashboards as code: `python -m deploy.grafana.generate` writes the JSON that Grafana is given."""
