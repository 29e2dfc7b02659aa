"""Grafana dashboards as code: `python -m grafana.build` writes them from the KPI registry."""
